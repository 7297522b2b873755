"""Ways in which spans cannot be written in other people's shapes."""

from __future__ import annotations

from tests.support.privacy.failing_paths import MARKER, NOTE, Action, adder

from clinspan import Span, html
from clinspan.clinical import assertions
from clinspan.interop import aws, tables

PATHS: dict[str, Action] = {}
path = adder(PATHS)

WHOLE = Span("DRUG", 0, len(NOTE), NOTE, 1.0)

path("span of another note", lambda place: tables.rows("a", f"x{NOTE}", [WHOLE]))
path(
    "assertion missing",
    lambda place: tables.rows("a", NOTE, [WHOLE, WHOLE], assertions=assertions(NOTE, [WHOLE])),
)
path(
    "label unknown", lambda place: aws.detect_entities_v2(NOTE, [Span("X", 3, 3 + len(MARKER), MARKER, 1.0)])
)
path("spans overlap", lambda place: html(NOTE, [WHOLE, WHOLE]))
