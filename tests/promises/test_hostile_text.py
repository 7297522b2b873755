"""Texts and values that nobody checked: an answer that keeps its promises, or an error of clinspan's own."""

from __future__ import annotations

import gc
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz import models
from fuzz.data import Data
from fuzz.targets import TARGETS, check_encoding, check_spans, check_windows, parts_a_character
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import slow_twins

from clinspan import ClinspanError, InputError, LoadOptions, Recognizer
from clinspan.documents.document import Document, Entity
from clinspan.documents.formats import automl, brat
from clinspan.documents.formats import jsonl as own
from clinspan.documents.formats.pdf import read_pdf
from clinspan.documents.score_report import as_table
from clinspan.documents.scores import evaluate
from clinspan.engine.profile import read_profile
from clinspan.serving import RequestLimits, Service, make_handler
from clinspan.text import words

LONG = "9" * 5000  # more digits than Python reads as a number


@pytest.fixture(scope="module", params=models.FAMILIES)
def family(request: pytest.FixtureRequest) -> Recognizer:
    """A model that costs nothing behind a tokenizer of each family."""
    return models.recognizer(request.param)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=st.binary(max_size=300))
def test_every_fuzz_target_keeps_its_promises(name: str, raw: bytes) -> None:
    """The targets of the fuzzer themselves, on inputs that hypothesis makes up and makes smaller."""
    if name == "pdf":
        pytest.importorskip("pypdf")
    TARGETS[name](Data(raw))


@pytest.mark.parametrize(
    ("note", "edge", "parts"),
    [
        ("e\u0301", 1, True),
        ("e\u0301\u0323", 2, True),
        ("e\u0301", 2, False),
        ("ab", 1, False),
        (" \u0301", 1, False),
        ("\u0928\u094d\u0926", 1, True),
    ],
    ids=["before", "between-marks", "after", "letters", "blank-is-no-base", "virama"],
)
def test_what_counts_as_parting_a_character(note: str, edge: int, parts: bool) -> None:
    """The check that fuzzing relies on can fail."""
    assert parts_a_character(note, edge) is parts


HOSTILE: dict[str, Callable[[int], str]] = {
    "one word": lambda n: "a" * n,
    "one word repeated": lambda n: "pain " * (n // 5),
    "brackets": lambda n: "[" * n,
    "special tokens": lambda n: "[SEP]" * (n // 5),
    "blanks": lambda n: " " * n,
    "newlines": lambda n: "\n" * n,
    "line ends": lambda n: "\r\n" * (n // 2),
    "rare blanks": lambda n: "\u2028" * (n // 2) + "a b " * (n // 8),
    "marks": lambda n: "\u0301" * n,
    "one letter and marks": lambda n: "e" + "\u0301" * (n - 1),
    "marks between blanks": lambda n: "\u0301 " * (n // 2),
    "zero width": lambda n: "\u200b" * n,
    "right to left": lambda n: "\u202e\u05e9\u05dc\u05d5\u05dd " * (n // 6),
    "nul": lambda n: "\x00" * n,
    "surrogates": lambda n: "\ud800" * n,
    "emoji": lambda n: "\U0001f468\u200d\u2695\ufe0f" * (n // 4),
    "ideographs": lambda n: "\u4e2d" * n,
    "grows when normalized": lambda n: "\ufdfa" * n,
    "punctuation": lambda n: "., " * (n // 3),
}


@pytest.mark.long
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_long_hostile_note_is_read_whole(family: Recognizer, kind: str) -> None:
    """40,000 characters of one kind: exact spans, and every token owned by exactly one window."""
    note = HOSTILE[kind](40_000)
    encoding = family._tokenizer.encode(note)
    check_encoding(note, encoding)
    check_windows(encoding, 190, 0)
    check_spans(note, family.recognize(note))


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
def test_time_grows_no_faster_than_the_note(family: Recognizer, kind: str) -> None:
    """200,000 characters take about ten times as long as 20,000, whatever they are; squared, it would be a hundred."""
    small = _seconds(family, HOSTILE[kind](20_000), runs=3)
    large = _seconds(family, HOSTILE[kind](200_000), runs=2)
    assert large < 0.2 or large / small < 25


def _seconds(recognizer: Recognizer, note: str, *, runs: int) -> float:
    """CPU time of one call, the lowest of several, without Python's walks over everything else in the process."""
    times = []
    gc.disable()
    try:
        for _ in range(runs):
            began = time.thread_time()
            recognizer.recognize(note)
            times.append(time.thread_time() - began)
    finally:
        gc.enable()
    return min(times)


@given(
    note=st.text(st.sampled_from("ab \n\u2028\u3000\x1c."), min_size=1, max_size=30),
    edges=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8),
)
def test_blanks_are_taken_off_tokens_as_the_naive_twin_does(note: str, edges: list[tuple[int, int]]) -> None:
    """One look-up per token, compared with a loop over characters."""
    places = [tuple(sorted(min(edge, len(note)) for edge in pair)) for pair in edges]
    offsets = np.array(places, np.int32).reshape(len(places), 2)
    start, end = words._visible(offsets, words.is_blank(words.codes_of(note)))
    assert list(zip(start.tolist(), end.tolist(), strict=True)) == [
        slow_twins.without_blanks(note, *place) for place in places
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": {1: 0.5, "a": 0.5}},
        {"threshold": [0.5]},
        {"aggregation": ["first"]},
        {"aggregation": np.array(["first", "max"])},
        {"timeout": "1"},
        {"timeout": float("nan")},
    ],
    ids=["keys-of-two-kinds", "list", "vote-list", "vote-array", "timeout-text", "timeout-nan"],
)
def test_options_of_the_wrong_type_are_refused(family: Recognizer, options: dict[str, Any]) -> None:
    """An InputError, not whatever Python says of the first operation on them."""
    with pytest.raises(InputError):
        family.recognize("pain", **options)


def test_a_timeout_of_any_size_is_a_timeout(family: Recognizer) -> None:
    """An integer too large for a clock means no limit that is ever reached."""
    assert family.recognize("pain", timeout=10**400) == family.recognize("pain")


@pytest.mark.parametrize("notes", [None, 3, True], ids=repr)
def test_what_cannot_be_iterated_is_no_notes(family: Recognizer, notes: Any) -> None:
    """Said when `pipe` is called, and by an InputError."""
    with pytest.raises(InputError, match="iterable"):
        family.pipe(notes)


@pytest.mark.parametrize(
    "options",
    [
        {"device": 0},
        {"precision": ["int8"]},
        {"threads": "2"},
        {"threads": True},
        {"window": "190"},
        {"overlap": 0.5},
        {"reuse": None},
        {"session_options": ["x"]},
        {"session_options": {1: 2}},
        {"session_options": {"session.x": "y" * 100_000}},
        {"session_options": {"log_severity_level": 99}},
        {"public_key": 3},
        {"public_key": []},
        {"public_key": os.fsencode("x")},
        {"verify": np.array(["full", "off"])},
        {"verify": None},
        {"profile": 3},
        {"path": 3},
    ],
    ids=str,
)
def test_load_refuses_options_of_the_wrong_type(options: dict[str, Any]) -> None:
    """With the option's name in the message."""
    path = options.pop("path", models.bundle("wordpiece"))
    with pytest.raises(InputError, match=next(iter(options), "path")):
        Recognizer.load(path, options=LoadOptions(**options))


@pytest.mark.parametrize(
    "content",
    ['{"threads": "two"}', '{"session_options": []}', "[" * 100_000, "[]", '{"note": 1}', "\x00"],
    ids=["threads", "options", "deep", "list", "field", "nul"],
)
def test_a_profile_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    """Whatever the file holds."""
    path = tmp_path / "profile.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"profile\.json"):
        read_profile(path)


def test_an_offset_of_thousands_of_digits_is_refused(tmp_path: Path) -> None:
    """Python reads no such number; AutoML's offsets may be strings, and BRAT's always are."""
    segment = {"text_segment": {"start_offset": LONG, "end_offset": 3}}
    row = {
        "text_snippet": {"content": "pain"},
        "annotations": [{"text_extraction": segment, "display_name": "X"}],
    }
    path = tmp_path / "automl.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(InputError, match="start_offset"):
        list(automl.read(path))
    (tmp_path / "note.txt").write_text("pain")
    (tmp_path / "note.ann").write_text(f"T1\tX 0 {LONG}\tpain\n")
    with pytest.raises(InputError, match="line 1"):
        list(brat.read(tmp_path))


def test_an_id_that_is_no_name_is_refused(tmp_path: Path) -> None:
    """A list nested as deeply as JSON may be could not even be written into a message."""
    path = tmp_path / "documents.jsonl"
    path.write_text('{"text": "pain", "id": ' + "[" * 500 + "]" * 500 + "}")
    with pytest.raises(InputError, match="id is a list"):
        list(own.read(path))


@pytest.mark.parametrize("name", ["a\x00b.pdf", "missing.pdf", "damaged.pdf"])
def test_a_pdf_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    """Whatever pypdf raises, and whatever the path holds."""
    pytest.importorskip("pypdf")
    (tmp_path / "damaged.pdf").write_bytes(
        b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 1 0 R >>\nendobj\ntrailer << /Root 1 0 R >>"
    )
    with pytest.raises(InputError):
        read_pdf(tmp_path / name)


def test_a_label_that_no_terminal_takes_is_shown_in_the_table() -> None:
    """A lone surrogate comes out of a JSON escape and cannot be written as UTF-8."""
    note = Document("1", "pain", (Entity(0, 4, "A\ud800"),))
    as_table(evaluate([note], [[]])).encode("utf-8")


def test_a_negative_seed_is_refused() -> None:
    """By an InputError, as every option that makes no sense."""
    with pytest.raises(InputError, match="seed"):
        evaluate([], [], seed=-1)


@pytest.mark.parametrize(
    "context", [None, [], {"http": None}, {"http": [1]}, {"http": {"method": 3}}], ids=str
)
def test_an_http_event_of_any_shape_is_answered(context: Any) -> None:
    """A gateway's event is forged as easily as its body."""
    handler = make_handler(Service(models.recognizer("wordpiece"), RequestLimits()))
    answer = handler({"requestContext": context, "body": "{}"}, None)
    assert answer["statusCode"] in (400, 405)


@given(
    value=st.one_of(
        st.none(), st.binary(), st.integers(), st.lists(st.text()), st.dictionaries(st.text(), st.text())
    )
)
def test_a_note_of_the_wrong_type_is_refused(family: Recognizer, value: Any) -> None:
    """By every call that takes one, and with nothing of it in the message but its type."""
    for call in (family.recognize, family.token_logits, lambda note: list(family.pipe([note]))):
        with pytest.raises(
            ClinspanError, match=f"^note 0: it is of type {type(value).__name__}: expected str"
        ):
            call(value)
