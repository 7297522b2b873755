"""Programs read an error's attributes, not its message."""

from __future__ import annotations

import pickle

import pytest

import clinspan

ERRORS = [getattr(clinspan, name) for name in clinspan.__all__ if name.endswith("Error")]


@pytest.mark.parametrize("kind", [error for error in ERRORS if error is not clinspan.ClosedError])
def test_an_error_says_which_note_it_is_about(kind: type[clinspan.ClinspanError]) -> None:
    """Its number begins the message and is an attribute, in another process too; the reason goes without it."""
    error = pickle.loads(pickle.dumps(kind("too long", note=3)))
    assert (type(error), str(error), error.reason, error.note) == (kind, "note 3: too long", "too long", 3)


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_may_be_about_no_note(kind: type[clinspan.ClinspanError]) -> None:
    """Then its message is its reason."""
    error = kind("damaged")
    assert (str(error), error.reason, error.note) == ("damaged", "damaged", None)
