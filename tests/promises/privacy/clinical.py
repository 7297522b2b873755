"""Ways in which clinical rules fail on a note."""

from __future__ import annotations

from tests.support.privacy.failing_paths import (
    NOTE,
    Action,
    adder,
)

from clinspan import Span
from clinspan.clinical import assertions, regimens

PATHS: dict[str, Action] = {}
path = adder(PATHS)

OUTSIDE = [Span("PROBLEM", 5, len(NOTE) + 1, NOTE[5:], 1.0)]

path("clinical span outside", lambda place: assertions(NOTE, OUTSIDE))
path("clinical note of bytes", lambda place: regimens(NOTE.encode(), OUTSIDE))  # type: ignore[arg-type]
