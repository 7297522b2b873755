"""Coverage-guided fuzzing of everything that reads what nobody checked. See README.md."""

from __future__ import annotations
