#!/usr/bin/env python3
"""Draw docs/img/highlighted.png, the picture of the front pages, from clinspan's own HTML. Needs Chromium.

    scripts/picture.py

The picture carries the hash of the HTML that it shows, by which tests/docs/test_site.py knows an old one.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src")]

from clinspan import Recognizer  # noqa: E402
from clinspan.clinical import assertions, regimens  # noqa: E402
from clinspan.interop.html import page, section  # noqa: E402

PICTURE = ROOT / "docs" / "img" / "highlighted.png"
NOTE = (
    "Admitted with pneumonia. No chest pain. Possible gout. Mother had breast cancer.\n"
    "Chest X-ray shows an infiltrate. Metformin 500 mg PO BID.\n"
    "Stop aspirin; start apixaban 5 mg by mouth twice daily for 3 months."
)
_KEY = b"clinspan html"
_FRAME = "<style>body{margin:0;padding:10px 14px;background:#fff;width:900px} table{margin:6px .5em}</style>"


def html() -> str:
    """Make the page that the picture shows."""
    spans = Recognizer.load(threads=1).recognize(NOTE)
    body = section(NOTE, spans, assertions=assertions(NOTE, spans), regimens=regimens(NOTE, spans))
    return page(_FRAME + body, title="clinspan")


def shown(picture: bytes) -> str:
    """Return the hash of the HTML that a picture was made from; empty without one."""
    return next((text.split(b"\0")[1].decode() for kind, text in _chunks(picture) if kind == b"tEXt"), "")


def digest(html: str) -> str:
    """Return the hash that a picture of this HTML carries: without scores, which it shows to a pointer only."""
    return hashlib.sha256(re.sub(r" [01]\.\d{3}, ", " ", html).encode()).hexdigest()


def main() -> None:
    """Draw the picture."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("scripts/picture.py: Chromium is not installed")
    made = html()
    if PICTURE.exists() and shown(PICTURE.read_bytes()) == digest(made):
        return
    with tempfile.TemporaryDirectory() as folder:
        (source := Path(folder, "page.html")).write_text(made, encoding="utf-8")
        target = Path(folder, "page.png")
        subprocess.run(
            [chromium, "--headless", "--no-sandbox", "--hide-scrollbars", "--force-device-scale-factor=1.5",
             "--window-size=930,310", f"--screenshot={target}", source.as_uri()],
            check=True, capture_output=True,
        )  # fmt: skip
        drawn = target.read_bytes()
    text = _KEY + b"\0" + digest(made).encode()
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_bytes(drawn[:33] + _chunk(b"tEXt", text) + drawn[33:])  # behind the header
    print(PICTURE.relative_to(ROOT))


def _chunks(picture: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], 8
    while place < len(picture):
        (size,) = struct.unpack(">I", picture[place : place + 4])
        found.append((picture[place + 4 : place + 8], picture[place + 8 : place + 8 + size]))
        place += 12 + size
    return found


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


if __name__ == "__main__":
    main()
