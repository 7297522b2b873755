"""The frame of the page of errors: its style, its filters, its tables. It loads nothing from anywhere."""

from __future__ import annotations

import html
from collections.abc import Sequence

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.7 system-ui, sans-serif; max-width: 64em; margin: 2em auto; padding: 0 1em; color: #222 }}
h1 {{ font-size: 1.4em; line-height: 1.3; overflow-wrap: anywhere }}
h2 {{ font-size: 1em; margin: 0; overflow-wrap: anywhere }} h2 small {{ color: #666; font-weight: normal }}
details {{ margin: .5em 0 }} summary {{ cursor: pointer; font-weight: 600 }}
.scroll {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-size: .85em; line-height: 1.4 }}
th, td {{ padding: .25em .6em; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }}
th:first-child, td:first-child, table.words td {{ text-align: left }}
table.words td {{ white-space: normal }}
nav {{ position: sticky; top: 0; background: #fff; border-bottom: 1px solid #ccc; padding: .5em 0; font-size: .9em }}
nav label {{ white-space: nowrap; margin-right: .8em }}
section {{ border-top: 1px solid #ccc; padding: .5em 0 }}
.text {{ white-space: pre-wrap; overflow-wrap: anywhere }}
mark {{ padding: .1em .15em; border-radius: .2em; background: none; color: inherit }}
mark.hit {{ background: #d7f0d7 }}
mark.error {{ background: #f3f3f3; outline: 1px solid #bbb }}
mark.off {{ background: none; outline: none }}
.a {{ border-bottom: 3px dashed #a86500 }}
.f {{ background: #ffd0d0 }}
.af {{ border-bottom: 3px dashed #a86500; background: #ffd0d0 }}
mark.off span {{ border: 0; background: none }}
mark small {{ font-weight: 600; margin-left: .35em; padding: 0 .25em; border-radius: .2em }}
.missed {{ background: #ffe2b3 }} .false-alarm {{ background: #ffc4c4 }} .boundary {{ background: #d9e6ff }}
.label, .label-and-boundary {{ background: #ead9ff }}
[hidden] {{ display: none !important }}
</style>
<h1>{title}</h1>
<p>{summary}</p>
{tables}
<p>In the text: <mark class="hit">found as annotated<small>LABEL</small></mark>, <span class="a">annotated</span>,
<span class="f">found</span>, <span class="af">both</span>; after each error its label, its kind, and the score of what was
found.</p>
<nav><div>{kinds}</div><div>{labels}</div><div id="count"></div></nav>
{sections}
<script>
const boxes = [...document.querySelectorAll("nav input")];
const chosen = name => new Set(boxes.filter(b => b.name === name && b.checked).map(b => b.value));
function filter() {{
  const kinds = chosen("kind"), labels = chosen("label");
  let shown = 0, all = 0;
  for (const section of document.querySelectorAll("section")) {{
    let some = false;
    for (const mark of section.querySelectorAll("mark.error")) {{
      let here = false;
      for (const error of mark.querySelectorAll("small[data-kind]")) {{
        const wanted = kinds.has(error.dataset.kind) && labels.has(error.dataset.label);
        error.hidden = !wanted; here = here || wanted; shown += wanted; all += 1;
      }}
      mark.classList.toggle("off", !here); some = some || here;
    }}
    section.hidden = !some;
  }}
  document.getElementById("count").textContent = `${{shown}} of ${{all}} errors`;
}}
boxes.forEach(b => b.addEventListener("change", filter));
filter();
</script>
</html>
"""


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> str:
    """Make a table that can be folded away, and that scrolls where it is wider than the screen."""
    words = ' class="words"' if "words" in head else ""
    heads = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "\n".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    after = f"<p>{html.escape(note)}</p>" if note else ""
    return (
        f"<details open><summary>{html.escape(caption)}</summary>"
        f'<div class="scroll"><table{words}><tr>{heads}</tr>\n{body}</table></div>{after}</details>'
    )


def box(name: str, value: str) -> str:
    """Make a box of a filter, checked at first."""
    shown = html.escape(value)
    return f'<label><input type="checkbox" name="{name}" value="{shown}" checked> {shown}</label>'
