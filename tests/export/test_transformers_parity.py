"""The same spans as the transformers pipeline, on the same weights; and every place where they differ.

What differs is listed with its reasons in docs/evidence/differences.md; each entry has its test here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.export.pipeline_pairs import Pair
from tests.support.example_notes import EXAMPLES

from clinspan.text.decode import has_blank_line

pytestmark = pytest.mark.export

AWKWARD = {
    "plain": "She has pneumonia and takes aspirin 81 mg daily.",
    "wrapped": "Chest X-ray showed right lower\nlobe consolidation\nand a small\npleural effusion.",
    "crlf": "Allergies: penicillin\r\nMeds: metformin\r\nPlan: repeat CT chest",
    "tabs": "Na\t138\tK\t4.1\tCr\t1.4\tglucose\t241",
    "list": "- hypertension\n- type 2 diabetes\n- CKD stage 3a (baseline creatinine 1.4)",
    "marks": "s/p CABG x3 (2010); LVEF=30%; h/o A-fib & COPD, r/o PE!?",
    "digits": "BP 148/92, HR 134/min, T 38.4, SpO2 88% -> 94% on 4L",
    "micro": "digoxin 125 µg, ferritin 18 μg/L, creatinine 124 µmol/L",
    "accents": "Ménière's disease, Sjögren's syndrome, naïve B cells, café-au-lait spots",
    "spanish": "Paciente con neumonía, fiebre de 39 ºC y disnea; se inició tratamiento antibiótico.",
    "upper": "ACUTE MYOCARDIAL INFARCTION; TROPONIN I 4.2",
    "degree": "temp 38.4 °C, 3 × 4 cm mass, ± fever, ≥ 2 episodes",
    "long-word": "hydroxychloroquinehydroxychloroquinehydroxychloroquine and methylprednisolone",
    "unknown": "symbol ☃ and 漢字 and 🩺 near pain",
    "cjk": "患者有糖尿病 and diabetes",
    "nul": "chest\x00pain and fever",
    "nbsp": "chest\u00a0pain\u2009and\u202ffever",
    "quotes": "“crushing” chest pain — ‘10 out of 10’…",
    "punctuation": "..., --- !!! ((())) pain",
    "blank-ends": "   fever and chills   \n",
    "one": "pain",
    "empty": "",
    "blanks": "  \n\t ",
}


def compare(pair: Pair, note: str, name: str = "") -> None:
    """Labels, starts and ends exactly, scores to 1e-4, for every strategy.

    Where a token's two best logits differ by less than torch and onnxruntime do, either label is right.
    """
    ours = pair.ours(note)
    best = np.sort(pair.recognizer.token_logits(note), axis=-1)
    close = bool((best[:, -1] - best[:, -2] < 1e-5).any())
    for aggregation, theirs in pair.theirs(note).items():
        expected: list[tuple[str, int, int, float | None]] = []
        for part in theirs:
            expected += _at_blank_lines(note, part)
        found = ours[aggregation]
        places = [(span.label, span.start, span.end) for span in found]
        if close and places != [row[:3] for row in expected]:
            continue
        assert places == [row[:3] for row in expected], f"{name} {aggregation}"
        for span, row in zip(found, expected, strict=True):
            assert row[3] is None or abs(span.score - row[3]) < 1e-4, f"{name} {aggregation} {row[:3]}"


def _at_blank_lines(note: str, row: tuple[str, int, int, float]) -> list[tuple[str, int, int, float | None]]:
    """The one difference that ordinary notes show: an entity of transformers is cut at blank lines."""
    label, start, end, _score = row
    lines = note[start:end].splitlines(keepends=True)
    if not any(not line.strip() for line in lines):
        return [row]
    parts: list[tuple[str, int, int, float | None]] = []
    at, begin = start, None
    last = start
    for line in lines:
        if line.strip():
            if begin is None:
                begin = at + len(line) - len(line.lstrip())
            last = at + len(line.rstrip())
        elif begin is not None:
            parts.append((label, begin, last, None))
            begin = None
        at += len(line)
    return [*parts, (label, begin if begin is not None else last, last, None)]


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_notes_give_the_spans_of_transformers(tiny_pair: Callable[..., Pair], name: str) -> None:
    """Random weights label everything there is, so every rule is at work."""
    pair = tiny_pair()
    compare(pair, AWKWARD[name], name)
    for aggregation, found in pair.ours(AWKWARD[name]).items():
        assert pair.recognizer.recognize(AWKWARD[name], aggregation=aggregation) == found


@pytest.mark.parametrize("seed", [1, 2])
def test_example_notes_give_the_spans_of_transformers(tiny_pair: Callable[..., Pair], seed: int) -> None:
    """Paragraphs of all example notes, on two more sets of weights."""
    pair = tiny_pair(seed=seed)
    texts = [text for path in EXAMPLES for text in pieces(path.read_text(encoding="utf-8"), 400)]
    assert len(texts) > 40
    for number, text in enumerate(texts):
        compare(pair, text, f"text {number}")


@pytest.mark.parametrize(
    "labels",
    [("O", "I-A", "I-B"), ("O", "A", "B", "C"), ("O", "B-A", "I-A", "X", "[CLS]")],
    ids=["inside-only", "no-prefix", "mixed"],
)
def test_other_label_schemes_give_the_spans_of_transformers(
    tiny_pair: Callable[..., Pair], labels: tuple[str, ...]
) -> None:
    """Names without a prefix continue one another."""
    pair = tiny_pair(labels=labels)
    for name, text in AWKWARD.items():
        compare(pair, text, name)


@pytest.mark.parametrize("family", ["byte_bpe", "unigram"])
def test_simple_votes_of_other_tokenizers_give_the_spans_of_transformers(
    tiny_pair: Callable[..., Pair], family: str
) -> None:
    """Token by token there is no question of what a word is; only whitespace at the ends is trimmed."""
    pair = tiny_pair(family)
    # Sentencepiece puts a space before a text without one, with the first character's offsets.
    texts = [" " + text for path in EXAMPLES for text in pieces(path.read_text(encoding="utf-8"), 300)]
    for number, text in enumerate(t for t in texts if not has_blank_line(t)):
        expected = [
            (label, *_trimmed(text, start, end)) for label, start, end, _ in pair.theirs(text)["simple"]
        ]
        found = [(s.label, s.start, s.end) for s in pair.ours(text)["simple"]]
        assert found == [row for row in expected if row[1] < row[2]], f"text {number}"


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())


def test_corpora_give_the_spans_of_transformers(real_pair: Pair, corpora: Path) -> None:
    """At least 500 texts from clinical notes, case reports, abstracts and Spanish cases, on a real model."""
    texts = [text for text in sample(corpora) if not MARKS.intersection(text)]
    assert len(texts) >= 500
    for number, text in enumerate(texts):
        compare(real_pair, text, f"text {number}")


def test_awkward_notes_give_the_spans_of_transformers_on_a_real_model(real_pair: Pair) -> None:
    """The same cases on weights that know what they see."""
    for name, text in AWKWARD.items():
        compare(real_pair, text, name)


# Characters that do not belong to a word for BERT's normalizer; see the tests of differences below.
MARKS = set("\u200b\u200c\u200d\u00ad\ufeff\u0301\u0300\u0303\u0308\ufe0f")


def sample(corpora: Path) -> Iterator[str]:
    """Texts of up to 300 characters, evenly from all over the corpora."""
    sources = [_texts(path) for path in sorted(corpora.glob("*/*test*.jsonl"))]
    sources.append(_texts(corpora / "unicode" / "es_codiesp_dev.jsonl"))
    sources.append([p.read_bytes().decode() for p in sorted((corpora / "notes").glob("[0-9]*.txt"))])
    for documents in sources:
        texts = [text for document in documents for text in pieces(document, 300)]
        yield from texts[:: -(-len(texts) // 100)]


def _texts(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").split("\n") if line]


def pieces(text: str, size: int) -> Iterator[str]:
    """Whole lines of up to about `size` characters; longer lines are cut at a space."""
    part = ""
    for line in text.splitlines(keepends=True):
        for begin in range(0, len(line), size):
            bit = line[begin : begin + size]
            if part and len(part) + len(bit) > size:
                yield part
                part = ""
            part += bit
    if part.strip():
        yield part
