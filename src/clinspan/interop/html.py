"""A note as HTML with its spans highlighted: for notebooks, for a browser, for paper.

The text of the page's note is the note, character for character: labels are drawn by the style sheet, so that what a
reader copies is what was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from clinspan.errors import InputError
from clinspan.interop.colours import colour, ink
from clinspan.interop.given import checked
from clinspan.text.decode import Span

if TYPE_CHECKING:
    from clinspan.clinical.records import Assertion, Regimen

STYLE = """
.clinspan { font: 15px/2.1 system-ui, sans-serif; white-space: pre-wrap; overflow-wrap: anywhere; color: #111;
  background: #fff; margin: 0; padding: .5em }
.clinspan mark { color: inherit; background: color-mix(in srgb, var(--colour) 18%, #fff); padding: .15em .2em;
  border-bottom: 3px solid var(--colour); border-radius: 3px; -webkit-box-decoration-break: clone;
  box-decoration-break: clone; print-color-adjust: exact; -webkit-print-color-adjust: exact }
.clinspan mark::after { content: attr(data-label); font-size: .65em; font-weight: 600; color: var(--ink);
  background: var(--colour); border-radius: 3px; padding: .15em .4em; margin-left: .4em; vertical-align: .15em; white-space: nowrap }
.clinspan mark.absent { text-decoration: line-through }
.clinspan mark.absent::after { display: inline-block; line-height: 1.3 }
.clinspan mark.doubtful { border-bottom-style: dotted }
.clinspan-regimens { font: 14px/1.5 system-ui, sans-serif; border-collapse: collapse; color: #111; background: #fff }
.clinspan-regimens th, .clinspan-regimens td { text-align: left; border: 1px solid #bbb; padding: .2em .6em }
h2.clinspan-note { font: 600 16px system-ui, sans-serif; border-bottom: 1px solid #bbb; break-after: avoid }
.clinspan-failed { font: 15px system-ui, sans-serif; color: #900 }
"""
_PARTS = ("strength", "form", "route", "dosage", "frequency", "duration")


class Html(str):
    """HTML that a notebook shows as such."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return str(self)


def html(
    note: str,
    spans: Iterable[Span],
    *,
    assertions: Sequence[Assertion] | None = None,
    regimens: Iterable[Regimen] | None = None,
) -> Html:
    """Highlight spans in their note.

    Args:
        note: the text that was read.
        spans: its spans, not overlapping.
        assertions: one for each span; what is denied, doubted or another person's is then marked.
        regimens: for a table of the drugs below the note.

    Returns:
        A piece of HTML with its style sheet. A notebook shows it; `page` makes a file of it.

    Raises:
        InputError: a span does not quote the note, or two spans overlap.

    >>> "pneumonia" in html("She has pneumonia.", [Span("PROBLEM", 8, 17, "pneumonia", 0.9)])
    True
    """
    return Html(f"<style>{STYLE}</style>{section(note, spans, assertions=assertions, regimens=regimens)}")


def section(
    note: str,
    spans: Iterable[Span],
    *,
    assertions: Sequence[Assertion] | None = None,
    regimens: Iterable[Regimen] | None = None,
) -> str:
    """Write the note as `html` does, without the style sheet."""
    parts, done = [], 0
    for span, assertion in checked(note, spans, assertions):
        if span.start < done:
            raise InputError(
                f"the span at {span.start} overlaps the one before it: only one can be highlighted"
            )
        parts += [escape(note[done : span.start], quote=False), _mark(span, assertion)]
        done = span.end
    text = "".join([*parts, escape(note[done:], quote=False)])
    # A parser drops a line end right after the tag, so there is always one to drop.
    return f'<pre class="clinspan">\n{text}</pre>{_table(regimens)}'


def page(body: str, *, title: str) -> str:
    """Make a whole page of pieces from `section`."""
    return f"{page_begin(title)}{body}\n{PAGE_END}"


def page_begin(title: str) -> str:
    """Write what comes before the first piece of a page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    )


PAGE_END = "</body>\n</html>\n"


def heading(name: str) -> str:
    """Write the heading above a note on a page of several."""
    return f'<h2 class="clinspan-note">{escape(name)}</h2>'


def failed_section(name: str, reason: str) -> str:
    """Write the piece of a note that could not be read."""
    return f'{heading(name)}\n<p class="clinspan-failed">failed: {escape(reason)}</p>'


def _mark(span: Span, assertion: Assertion | None) -> str:
    said = [] if assertion is None else words(assertion)
    name = " · ".join([span.label, *said])
    title = [f"{span.label} {span.score:.3f}, {span.start} to {span.end}"]
    if assertion is not None:
        title += [f"{cue.kind}: {cue.text}" for cue in assertion.cues]
    classes = [] if assertion is None or not assertion.negated else ["absent"]
    if assertion is not None and (assertion.uncertain or assertion.hypothetical):
        classes.append("doubtful")
    back = colour(span.label)
    kind = f' class="{" ".join(classes)}"' if classes else ""
    return (
        f'<mark{kind} style="--colour:{back};--ink:{ink(back)}" data-label="{escape(name)}" '
        f'title="{escape(chr(10).join(title))}">{escape(span.text, quote=False)}</mark>'
    )


def words(assertion: Assertion) -> list[str]:
    """Say an assertion in words, empty for what is plainly so."""
    said = {
        "denied": assertion.negated,
        "uncertain": assertion.uncertain,
        "if": assertion.hypothetical,
        "past": assertion.historical,
        "planned": assertion.planned,
        "allergy": assertion.allergy,
    }
    found = [word for word, holds in said.items() if holds]
    found += [] if assertion.experiencer == "patient" else [assertion.experiencer]
    return found + ([assertion.action] if assertion.action else [])


def _table(regimens: Iterable[Regimen] | None) -> str:
    rows = []
    for regimen in regimens or ():
        cells = [_text(regimen.drug), *("; ".join(map(_text, getattr(regimen, part))) for part in _PARTS)]
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    if not rows:
        return ""
    heads = "".join(f"<th>{name}</th>" for name in ("drug", *_PARTS))
    return f'\n<table class="clinspan-regimens"><tr>{heads}</tr>{"".join(rows)}</table>'


def _text(span: object) -> str:
    return str(getattr(span, "text", ""))
