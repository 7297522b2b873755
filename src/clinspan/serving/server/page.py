"""The page at `/`: paste a note, see what the model finds, and what the note says of it."""

from __future__ import annotations

import base64
import hashlib

from clinspan.interop.html import STYLE

_STYLE = f"""
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #111; background: #fff }}
textarea {{ width: 100%; box-sizing: border-box; font: inherit; padding: .6em; border: 1px solid #888; border-radius: 4px }}
button {{ font: inherit; padding: .4em 1.2em; margin: .6em 0; border: 0; border-radius: 4px; background: #333399; color: #fff }}
#said {{ margin-left: 1em }}
@media print {{ form {{ display: none }} }}
{STYLE}"""

_SCRIPT = """
const form = document.querySelector("form"), said = document.querySelector("#said");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  said.textContent = "reading";
  const answer = await fetch("html", {
    method: "POST",
    headers: {"content-type": "application/json"},
    body: JSON.stringify({text: document.querySelector("textarea").value}),
  });
  const body = await answer.json();
  // The server escapes the note; this page's policy lets nothing in it run.
  document.querySelector("#found").innerHTML = answer.ok ? body.html : "";
  said.textContent = answer.ok ? body.spans + " found" : body.error.message;
});
"""


def _hash(content: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() + "'"


# Nothing is loaded from anywhere, and only this script runs. Colours of labels are styles of single elements.
POLICY = (
    f"default-src 'none'; script-src {_hash(_SCRIPT)}; style-src 'unsafe-inline'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>clinspan</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>clinspan</h1>
<form>
<label for="note">A clinical note</label>
<textarea id="note" rows="10" autofocus></textarea>
<button>Find entities</button><span id="said" role="status"></span>
</form>
<div id="found"></div>
<script>{_SCRIPT}</script>
</body>
</html>
"""
