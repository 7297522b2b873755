"""The whole path on the bundled model: promises that hold whatever the model says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinspan import InferenceError, InputError, Recognizer, Span
from clinspan.text.decode import AGGREGATIONS, Aggregation
from clinspan.text.graphemes import is_control
from tests.text.test_tokenizer import NOTES


def check_spans(note: str, found: Sequence[Span]) -> None:
    """Check the promises that hold for every span of every note."""
    previous = 0
    for span in found:
        assert note[span.start : span.end] == span.text
        assert previous <= span.start < span.end <= len(note), "sorted, not empty, not overlapping"
        assert not span.text[0].isspace()
        assert not span.text[-1].isspace()
        assert 0 < span.score <= 1
        for edge in (span.start, span.end):
            cuts_a_mark = 0 < edge < len(note) and unicodedata.category(note[edge]).startswith("M")
            no_base = edge > 0 and (note[edge - 1].isspace() or is_control(note[edge - 1]))
            assert not cuts_a_mark or no_base, "between a base character and its mark"
        previous = span.end


@pytest.mark.parametrize("vote", AGGREGATIONS)
def test_spans_of_example_notes_are_exact(starter: Recognizer, notes: list[str], vote: Aggregation) -> None:
    """note[start:end] == text; sorted; no overlap; no whitespace at the ends."""
    for note in notes:
        found = starter.recognize(note, aggregation=vote)
        assert len(found) > 10
        check_spans(note, found)


@settings(max_examples=150, deadline=None)
@given(note=NOTES, vote=st.sampled_from(AGGREGATIONS))
def test_spans_of_any_text_are_exact(starter: Recognizer, note: str, vote: Aggregation) -> None:
    """Surrogates, NUL, CRLF, astral and zero-width characters, marks, special tokens spelled out."""
    check_spans(note, starter.recognize(note, aggregation=vote))


@settings(max_examples=60, deadline=None)
@given(inserts=st.lists(st.tuples(st.integers(0, 300), st.characters()), max_size=12))
def test_spans_are_exact_in_a_note_with_stray_characters(
    starter: Recognizer, notes: list[str], inserts: list[tuple[int, str]]
) -> None:
    """Where there are entities, a stray character anywhere leaves every offset right."""
    note = notes[0][300:600]
    for place, char in inserts:
        note = note[:place] + char + note[place:]
    check_spans(note, starter.recognize(note))


def test_spans_of_the_corpora_are_exact(starter: Recognizer, corpora: Path) -> None:
    """Case reports, abstracts, notes, and Spanish cases, every document of the test and development sets."""
    count = 0
    for note, found in zip(_corpus(corpora), starter.pipe(_corpus(corpora)), strict=True):
        check_spans(note, found)
        count += 1
    assert count > 700


def _corpus(corpora: Path) -> Iterator[str]:
    for path in sorted(corpora.glob("*/*.jsonl")):
        if "train" in path.name or path.name == "bc5cdr_dev.jsonl":
            continue
        for line in path.read_text(encoding="utf-8").split("\n"):
            if line:
                yield json.loads(line)["text"]
    for path in sorted((corpora / "notes").glob("[0-9]*.txt")):
        yield path.read_bytes().decode("utf-8")


@pytest.mark.long
def test_a_note_gives_the_same_bits_alone_and_among_others(starter: Recognizer, notes: list[str]) -> None:
    """In `pipe` with any neighbours, in any order."""
    alone = {note: starter.recognize(note) for note in notes}
    for order in (notes, notes[::-1], ["", *notes, "pain", notes[0]]):
        for note, found in zip(order, starter.pipe(order), strict=True):
            assert found == alone.get(note, found)


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_changes_no_bit(starter: Recognizer, notes: list[str], threads: int) -> None:
    """Spans and scores are equal, not close."""
    other = Recognizer.load(threads=threads)
    assert [other.recognize(note) for note in notes] == [starter.recognize(note) for note in notes]


def test_many_threads_may_share_a_recognizer(starter: Recognizer, notes: list[str]) -> None:
    """Each caller gets its own note's spans."""
    expected = [starter.recognize(note) for note in notes]
    got: dict[int, list[Span]] = {}
    callers = [
        threading.Thread(target=lambda i=i: got.__setitem__(i, starter.recognize(notes[i])))
        for i in range(len(notes))
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert [got[i] for i in range(len(notes))] == expected


def test_a_long_note_has_logits_for_every_token(starter: Recognizer, notes: list[str]) -> None:
    """Nothing is truncated: as many rows as tokens, the last one included."""
    note = "\n\n".join(notes)
    logits = starter.token_logits(note)
    encoding = starter._tokenizer.encode(note)
    assert len(logits) == len(encoding) > 5 * starter.report().window
    assert encoding.offsets[-1, 1] == len(note.rstrip())


@pytest.mark.long
def test_paragraphs_far_down_a_long_note_are_read_as_alone(starter: Recognizer) -> None:
    """An entity at the very end of 50,000 characters is found where it is."""
    note = "The patient slept well.\n\n" * 2000 + "She has pneumonia."
    assert starter.recognize(note)[-1].text == "pneumonia"
    assert starter.recognize(note)[-1].end == len(note) - 1


_FORK = """
import os, signal, warnings
warnings.simplefilter("ignore")
from clinspan import Recognizer
recognizer = Recognizer.load(threads=2)
note = "She has pneumonia. " * 200
before = recognizer.recognize(note)
child = os.fork()
if child == 0:
    signal.alarm(60)
    os._exit(0 if recognizer.recognize(note) == before else 1)
assert os.waitpid(child, 0)[1] == 0
assert recognizer.recognize(note) == before
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_may_go_on_with_the_recognizer() -> None:
    """Web servers load a model, then fork their workers; none must wait for threads that it has not got."""
    subprocess.run([sys.executable, "-c", _FORK], check=True, timeout=120)


def test_pneumonia_is_a_problem(starter: Recognizer) -> None:
    """The bundled model does what it is for."""
    assert [(s.label, s.text) for s in starter.recognize("She has pneumonia.")] == [("PROBLEM", "pneumonia")]


@pytest.mark.parametrize("note", ["", " ", "\n\r\n", "\u200b", "\x00"], ids=ascii)
def test_a_note_without_words_has_no_spans(starter: Recognizer, note: str) -> None:
    """And keeps its place among others."""
    assert starter.recognize(note) == []
    assert len(list(starter.pipe(["pneumonia", note, "pneumonia"]))) == 3


def test_pipe_is_lazy(starter: Recognizer) -> None:
    """An endless stream gives its first result."""

    def stream() -> Iterator[str]:
        while True:
            yield "She has pneumonia."

    results = starter.pipe(stream())
    assert [len(next(results)) for _ in range(5)] == [1] * 5


def test_windows_can_be_set_at_load(starter: Recognizer, notes: list[str]) -> None:
    """With overlap, each token is still answered for once."""
    other = Recognizer.load(window=64, overlap=16, threads=2)
    assert (other.report().window, other.report().overlap) == (64, 16)
    for note in notes[:2]:
        assert len(other.token_logits(note)) == len(starter.token_logits(note))
        check_spans(note, other.recognize(note))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window"),
        ({"window": 100_000}, "can read"),
        ({"overlap": 190, "window": 190}, "overlap"),
        ({"threads": 0}, "threads"),
        ({"precision": "fp8"}, "precision"),
        ({"device": "tpu"}, "device"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_options_that_make_no_sense_are_refused_at_load(options: dict[str, object], message: str) -> None:
    """The message names the option."""
    with pytest.raises(InputError, match=message):
        Recognizer.load(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("notes", "options"),
    [
        ("one string", {}),
        (["a"], {"aggregation": "median"}),
        (["a"], {"threshold": 2}),
        ([7], {}),
        ([None], {}),
    ],
    ids=["string", "aggregation", "threshold", "number", "none"],
)
def test_what_is_no_list_of_notes_is_refused(
    starter: Recognizer, notes: object, options: dict[str, object]
) -> None:
    """Options are checked at the call, notes as they come."""
    with pytest.raises(InputError):
        list(starter.pipe(notes, **options))  # type: ignore[call-overload]


def test_wrong_options_are_refused_before_any_note_is_drawn(starter: Recognizer) -> None:
    """Not after an hour of work."""
    with pytest.raises(InputError, match="threshold"):
        starter.pipe([], threshold={"NO SUCH LABEL": 0.5})


def test_a_failing_run_names_the_note_and_not_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of the note is in the message; the text is nowhere in the chain."""
    recognizer = Recognizer.load(threads=1)

    def fail(*_: object) -> None:
        raise InferenceError("the model failed")

    results = recognizer.pipe(["", "XYZZY has pneumonia."])
    monkeypatch.setattr(recognizer._runner.model.session, "run", fail)
    assert next(results) == []
    with pytest.raises(InferenceError, match=r"^note 1: the model failed$"):
        next(results)


def test_the_report_says_what_is_in_use(starter: Recognizer) -> None:
    """Model, precision, provider, workers and hashes."""
    report = starter.report()
    assert (report.precision, report.provider, report.workers, report.threads) == (
        "int8",
        "CPUExecutionProvider",
        2,
        1,
    )
    assert len(report.sha256) == 64
    assert set(report.versions) == {"numpy", "onnxruntime", "tokenizers"}


_LONG = """
import resource, sys
from clinspan import Recognizer
from pathlib import Path
text = Path(sys.argv[1]).read_text(encoding="utf-8")
note = (text + "\\n\\n") * (5_000_000 // (len(text) + 2) + 1)
note = note[:5_000_000]
recognizer = Recognizer.load()
encoding = recognizer._tokenizer.encode(note)
found = recognizer.recognize(note)
assert all(note[s.start : s.end] == s.text for s in found[:: 100])
print(len(note), len(encoding), len(found), found[-1].end, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("CLINSPAN_LONG"), reason="five minutes; CLINSPAN_LONG=1 runs it")
def test_five_million_characters_need_less_than_500_megabytes() -> None:
    """Peak memory of the whole process, on a note of 5 MB."""
    example = Path(__file__).parents[1] / "examples" / "discharge_summary.txt"
    done = subprocess.run(
        [sys.executable, "-c", _LONG, str(example)], capture_output=True, text=True, check=True
    )
    characters, tokens, spans, last, kilobytes = map(int, done.stdout.split())
    assert characters == 5_000_000
    assert tokens > 1_000_000
    assert spans > 10_000
    assert last > 4_999_000
    assert kilobytes < 500_000


def test_logits_do_not_depend_on_how_windows_are_scheduled(starter: Recognizer, notes: list[str]) -> None:
    """Stitched from windows on one worker or on three, bit for bit."""
    other = Recognizer.load(threads=1)
    np.testing.assert_array_equal(other.token_logits(notes[2]), starter.token_logits(notes[2]))


def test_batches_of_a_gpu_give_every_note_its_own_spans(notes: list[str]) -> None:
    """The way that a GPU takes, here on CPU: no note lost, none mixed up, offsets exact.

    Scores differ in int8, whose scale for activations is shared by all that is in a batch.
    """
    recognizer = Recognizer.load(threads=1)
    alone = list(recognizer.pipe(notes))
    recognizer._runner._batch_tokens = 700
    given = ["", *notes, "   ", notes[0]]
    batched = list(recognizer.pipe(given))
    assert len(batched) == len(given)
    assert batched[0] == batched[-2] == []
    for note, spans in zip(given, batched, strict=True):
        assert all(note[s.start : s.end] == s.text for s in spans)
    for one, other in zip(alone, batched[1:-2], strict=True):
        here, there = ({(s.label, s.start, s.end) for s in found} for found in (one, other))
        assert 2 * len(here & there) > 0.9 * (len(here) + len(there))


def test_a_failing_lone_run_names_the_note_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A note of one window takes a way of its own; its errors read the same."""
    recognizer = Recognizer.load(threads=1)

    def fail(*_: object) -> None:
        raise InferenceError("the model failed")

    monkeypatch.setattr(recognizer._runner.model.session, "run", fail)
    with pytest.raises(InferenceError, match="note 0: the model failed"):
        recognizer.recognize("She has pneumonia.")
