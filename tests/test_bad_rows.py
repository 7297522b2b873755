"""One bad note among many: by default it ends the stream in its turn; asked to, the stream goes on without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clinspan import InferenceError, InputError, LoadOptions, Recognizer
from tests.support import bundles, small_tokenizers
from tests.support.example_notes import SENTENCE, texts

NOTES: list[Any] = [SENTENCE, None, SENTENCE * 40, float("nan"), 3, "", SENTENCE * 2]


@pytest.fixture(params=[1, 2], ids=["one-thread", "two-threads"])
def recognizer(request: pytest.FixtureRequest, tmp_path: Path) -> Recognizer:
    return Recognizer.load(bundles.bundle(tmp_path / "bundle"), threads=request.param)


def test_bad_notes_give_their_errors_and_the_others_their_spans(recognizer: Recognizer) -> None:
    """Each result stands in its note's place."""
    results = list(recognizer.pipe(NOTES, on_error="yield"))
    assert len(results) == len(NOTES)
    for number, (note, result) in enumerate(zip(NOTES, results, strict=True)):
        if isinstance(note, str):
            assert result == recognizer.recognize(note)
        else:
            assert isinstance(result, InputError)
            assert result.note == number


def test_without_asking_the_first_bad_note_ends_the_stream(recognizer: Recognizer) -> None:
    """After the results of the notes before it."""
    results = recognizer.pipe(NOTES)
    assert next(results) == recognizer.recognize(SENTENCE)
    with pytest.raises(InputError, match="note 1"):
        next(results)


@pytest.mark.parametrize("batched", [False, True], ids=["one-by-one", "in-batches"])
def test_a_note_that_the_model_fails_on_is_told(tmp_path: Path, batched: bool) -> None:
    """All other notes, also those in its batch, have their spans."""
    tokenizer = small_tokenizers.wordpiece(texts())
    table = bundles.random_table(tokenizer.get_vocab_size())
    table[tokenizer.token_to_id("p")] = np.nan
    folder = bundles.bundle(tmp_path / "bundle", tokenizer, table=table)
    with Recognizer.load(folder, threads=2, options=LoadOptions(verify="off")) as recognizer:
        recognizer._runner._batch_tokens = 200 if batched else 0
        notes = ["She has a cough.", "p", "She has a cough. " * 90 + "p" + " She has a cough." * 90, "Fever."]
        results = list(recognizer.pipe(notes, on_error="yield"))
        assert [type(result) for result in results] == [list, InferenceError, InferenceError, list]
        assert [results[0], results[3]] == list(recognizer.pipe([notes[0], notes[3]]))
        assert [result.note for result in results[1:3]] == [1, 2]
        with pytest.raises(InferenceError, match="note 1"):
            list(recognizer.pipe(notes))


def test_what_comes_with_a_note_comes_back_with_its_result(recognizer: Recognizer) -> None:
    """A row, an id or anything else, as spaCy's pipe does it; together with bad rows too."""
    pairs = [(note, {"row": number}) for number, note in enumerate(NOTES)]
    results = list(recognizer.pipe(iter(pairs), as_tuples=True, on_error="yield"))
    assert [row for _, row in results] == [row for _, row in pairs]
    assert results[2][0] == recognizer.recognize(NOTES[2])
    with pytest.raises(InputError, match="note 1: expected a pair"):
        list(recognizer.pipe([(SENTENCE, 1), SENTENCE], as_tuples=True))


class Frame:
    """Looks like a data frame, whose iteration gives names of columns."""

    columns = ("text",)

    def __iter__(self) -> Any:
        return iter(self.columns)


@pytest.mark.parametrize(
    ("notes", "way"),
    [
        (SENTENCE, r"use recognize\(\)"),
        (SENTENCE.encode(), "notes is bytes"),
        ({"a": SENTENCE}, r"pass its values\(\)"),
        (Frame(), r"frame\['text'\]"),
        (7, "expected an iterable"),
    ],
    ids=["string", "bytes", "dict", "frame", "number"],
)
def test_what_would_be_iterated_by_mistake_is_refused_with_the_way(
    recognizer: Recognizer, notes: Any, way: str
) -> None:
    """At the call, not when the first result is taken."""
    with pytest.raises(InputError, match=way):
        recognizer.pipe(notes)


def test_an_unknown_way_with_errors_is_refused(recognizer: Recognizer) -> None:
    """By its name."""
    with pytest.raises(InputError, match="on_error is 'skip'"):
        recognizer.pipe([], on_error="skip")  # type: ignore[call-overload]
