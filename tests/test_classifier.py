"""A classifier scores a whole text, or a pair, from all of its windows; alone or among others, to the bit."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from clinspan import BundleError, Classifier, ClosedError, DeadlineError, InputError, LabelScore, Recognizer
from clinspan.bundle.manifest import open_bundle
from clinspan.engine.model import Content
from clinspan.text.merge import Scoring, merge_logits, probabilities
from clinspan.text.pairs import PairIds
from clinspan.text.tokenizer import Tokenizer
from clinspan.texts import cut_of, tokenize_text
from tests.support import bundles
from tests.support.example_notes import NOTE as ONE_NOTE
from tests.support.tiny import text_bundles
from tests.test_embedder import counted_rows

NOTE = "\n\n".join([ONE_NOTE] * 6) + " Pneumonia of both lungs, treated with ceftriaxone."
Rows = Callable[[np.ndarray], np.ndarray]
QUESTION = "Does metformin help?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return text_bundles.classifier(tmp_path_factory.mktemp("c") / "b")


@pytest.fixture(scope="module")
def classifier(folder: Path) -> Classifier:
    return Classifier.load(folder, threads=2)


def answer(tokenizer: Tokenizer, content: Content, width: int = 3) -> np.ndarray:
    """The tiny model's answer, worked out by hand, float64 (width,)."""
    table = text_bundles.rows(width).astype(np.float64)
    if isinstance(content, PairIds):
        ids, types = tokenizer.pair_frame().join(content)
    else:
        ids = tokenizer.frame(content)
        types = np.zeros_like(ids)
    mean: np.ndarray = (table[ids] * (1 + types)[:, None]).sum(axis=0) / len(ids)
    return mean


def softmax(logits: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return shares


def test_a_short_text_has_the_models_own_probabilities(classifier: Classifier, folder: Path) -> None:
    """All labels, the highest score first, and the first one chosen."""
    tokenizer = Tokenizer(folder / "tokenizer.json")
    expected = softmax(answer(tokenizer, tokenizer.encode("She has pneumonia.").ids))
    found = classifier.classify("She has pneumonia.")
    assert [one.score for one in found] == pytest.approx(sorted(expected, reverse=True), abs=1e-6)
    assert found[0].label == text_bundles.LABELS[int(expected.argmax())]
    assert [one.chosen for one in found] == [True, False, False]


def test_a_long_text_is_scored_from_all_its_windows(classifier: Classifier, folder: Path) -> None:
    """The mean of the windows' probabilities, each weighed by its tokens: 50,000 characters change nothing."""
    text = (NOTE + "\n\n") * (50_000 // len(NOTE) + 1)
    tokenizer = Tokenizer(folder / "tokenizer.json")
    tokenized = tokenize_text(text, tokenizer, cut_of(60, 0, tokenizer))
    assert len(tokenized.windows) > 100
    rows = np.stack([softmax(answer(tokenizer, window)) for window in tokenized.windows])
    expected = np.average(rows, axis=0, weights=tokenized.tokens)
    scores = {one.label: one.score for one in classifier.classify(text)}
    assert [scores[name] for name in text_bundles.LABELS] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("text", ["", " \n ", "Fever."])
def test_a_text_without_tokens_has_an_answer_too(classifier: Classifier, text: str) -> None:
    """As transformers gives one: that of the special tokens alone."""
    assert sum(one.score for one in classifier.classify(text)) == pytest.approx(1)


def test_neighbours_change_no_bit(classifier: Classifier) -> None:
    """One by one, in a stream, and on an event loop: the same scores."""
    texts: list[str | tuple[str, str]] = ["Fever.", NOTE, "", "She has pneumonia.", (QUESTION, NOTE)] * 3
    alone = [classifier.classify(text) for text in texts]
    assert list(classifier.pipe(texts)) == alone

    async def together() -> list[list[LabelScore]]:
        return await asyncio.gather(*(classifier.aclassify(text) for text in texts))

    assert asyncio.run(together()) == alone


def test_a_gpu_reads_texts_and_pairs_in_batches(folder: Path) -> None:
    """Many rows at once, pairs beside single texts, in order; on a CPU each window is a run of its own."""
    texts: list[str | tuple[str, str]] = ["Fever.", (QUESTION, NOTE), "", NOTE, (QUESTION, "No.")] * 4
    loaded = Classifier.load(folder, threads=2)
    expected, rows = list(loaded.pipe(texts)), counted_rows(loaded)
    assert list(loaded.pipe(texts)) == expected
    assert set(rows) == {1}
    rows.clear()
    loaded._runner._batch_tokens = 256  # as for a provider that runs batches
    for found, scores in zip(loaded.pipe(texts), expected, strict=True):
        assert [one.label for one in found] == [one.label for one in scores]
        assert [one.score for one in found] == pytest.approx([one.score for one in scores], abs=1e-6)
    assert max(rows) > 3


def test_the_first_text_of_a_pair_stands_before_every_window_of_the_second(
    classifier: Classifier, folder: Path
) -> None:
    """Whole, with the type ids that the tokenizer gives, and no window longer than the model's."""
    tokenizer = Tokenizer(folder / "tokenizer.json")
    tokenized = tokenize_text((QUESTION, NOTE), tokenizer, cut_of(60, 0, tokenizer))
    question, note = tokenizer.encode(QUESTION).ids, tokenizer.encode(NOTE).ids
    pairs = [window for window in tokenized.windows if isinstance(window, PairIds)]
    assert len(pairs) == len(tokenized.windows) > 1
    assert all(np.array_equal(pair.first, question) for pair in pairs)
    assert np.array_equal(np.concatenate([pair.second for pair in pairs]), note)
    assert max(len(tokenizer.pair_frame().join(pair)[0]) for pair in pairs) <= 62
    rows = np.stack([softmax(answer(tokenizer, pair)) for pair in pairs])
    expected = np.average(rows, axis=0, weights=tokenized.tokens)
    scores = {one.label: one.score for one in classifier.classify((QUESTION, NOTE))}
    assert [scores[name] for name in text_bundles.LABELS] == pytest.approx(expected, abs=1e-6)


def test_a_pair_whose_first_text_fills_the_window_is_refused(classifier: Classifier) -> None:
    """It is never cut silently; who wants it cut says so."""
    with pytest.raises(InputError, match="note 0: the first text of the pair has"):
        classifier.classify((NOTE, NOTE))
    assert len(classifier.classify((NOTE, NOTE), truncate=True)) == 3


def test_truncation_is_asked_for_by_name(classifier: Classifier, folder: Path) -> None:
    """Then the first tokens alone are read, as many as the model can read."""
    tokenizer = Tokenizer(folder / "tokenizer.json")
    expected = softmax(answer(tokenizer, tokenizer.encode(NOTE).ids[:60]))
    found = classifier.classify(NOTE, truncate=True)
    assert [one.score for one in found] == pytest.approx(sorted(expected, reverse=True), abs=1e-6)
    assert found != classifier.classify(NOTE)


@pytest.mark.parametrize("problem", ["single-label", "multi-label", "regression"])
@pytest.mark.parametrize("merge", ["mean", "max", "first"])
@pytest.mark.parametrize("scale", ["probabilities", "logits"])
def test_windows_merge_as_the_bundle_says(problem: str, merge: str, scale: str) -> None:
    """Every rule beside its naive twin."""
    logits = np.random.default_rng(3).normal(size=(4, 3)).astype(np.float32) * 4
    tokens = [7, 1, 30, 12]
    scoring = Scoring(text_bundles.LABELS, problem=problem, merge=merge, scale=scale)
    to_scores: Mapping[str, Rows] = {
        "single-label": softmax,
        "multi-label": lambda rows: 1 / (1 + np.exp(-rows)),
        "regression": lambda rows: rows,
    }
    mergers: Mapping[str, Rows] = {
        "mean": lambda rows: np.average(rows, axis=0, weights=tokens),
        "max": lambda rows: rows.max(axis=0),
        "first": lambda rows: rows[0],
    }
    score, merged = to_scores[problem], mergers[merge]
    wide = logits.astype(np.float64)
    expected = merged(score(wide)) if scale == "probabilities" else score(merged(wide))
    assert merge_logits(list(logits), tokens, scoring) == pytest.approx(expected, abs=1e-6)


def test_no_logit_overflows() -> None:
    """A very sure model gives 0 and 1, and no warning."""
    logits = np.array([[-2e4, 0.0, 2e4]], np.float32)
    scoring = Scoring(text_bundles.LABELS, problem="multi-label")
    assert probabilities(logits, scoring).tolist() == [[0.0, 0.5, 1.0]]


def test_each_of_several_labels_has_its_own_threshold(tmp_path: Path) -> None:
    """The bundle's thresholds decide what is chosen, 0.5 where it has none."""
    scoring = Scoring(text_bundles.LABELS, problem="multi-label", thresholds={"asthma": 0.0, "fever": 1.0})
    loaded = Classifier.load(text_bundles.classifier(tmp_path / "b", scoring), threads=1)
    scores = {one.label: one for one in loaded.classify(NOTE)}
    assert scores["asthma"].chosen
    assert not scores["fever"].chosen
    assert scores["injury"].chosen == (scores["injury"].score >= 0.5)


def test_a_threshold_leaves_labels_out(classifier: Classifier) -> None:
    """One number for all labels, or one for each; an unknown label is refused at once."""
    every = classifier.classify(NOTE)
    limit = every[1].score
    assert classifier.classify(NOTE, threshold=limit) == every[:2]
    assert classifier.classify(NOTE, threshold={every[0].label: 1.0}) == every[1:]
    with pytest.raises(InputError, match="unknown label 'x'"):
        classifier.pipe([], threshold={"x": 0.5})


def test_a_manifest_says_all_of_it(tmp_path: Path) -> None:
    """A manifest is read as it was written."""
    scoring = Scoring(("a", "b"), "multi-label", "max", "logits", {"a": 0.25}, pairs=True)
    assert open_bundle(text_bundles.classifier(tmp_path / "b", scoring)).head == scoring


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "translation"}, "expected one of token-classification"),
        ({"problem": "odd"}, "unknown problem 'odd'"),
        ({"merge": "vote"}, "unknown merge 'vote'"),
        ({"scale": "ranks"}, "unknown scale 'ranks'"),
        ({"labels": ["a"]}, "1 labels: expected at least two"),
        ({"labels": ["a", "a"]}, "not unique"),
        ({"thresholds": {"none such": 0.5}}, "a threshold is set for 'none such'"),
        ({"thresholds": {"fever": "high"}}, "expected numbers from 0 to 1"),
        ({"thresholds": {"fever": 2}}, "not a number from 0 to 1"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    """On load, with what is wrong."""
    folder = bundles.edit(text_bundles.classifier(tmp_path / "b"), "clinspan.json", **changes)
    with pytest.raises(BundleError, match=message):
        Classifier.load(folder)


def test_each_class_says_which_one_loads_a_bundle(folder: Path, tmp_path: Path) -> None:
    """A model of another task is not read as if it were of this one."""
    with pytest.raises(BundleError, match=r"load it with Classifier\.load"):
        Recognizer.load(folder)
    with pytest.raises(BundleError, match=r"load it with Recognizer\.load"):
        Classifier.load(bundles.bundle(tmp_path / "b"))


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({}, "single-label"),
        ({"problem_type": "multi_label_classification"}, "multi-label"),
        ({"problem_type": "regression"}, "regression"),
    ],
)
def test_a_classifier_of_other_tools_is_read(tmp_path: Path, config: dict[str, object], problem: str) -> None:
    """Its config.json says what the numbers mean, as transformers takes it."""
    names = {"id2label": {"0": "no", "1": "maybe", "2": "yes"}}
    kind = {"architectures": ["BertForSequenceClassification"]}
    folder = text_bundles.foreign(tmp_path / "b", {**kind, **names, **config})
    assert open_bundle(folder).head == Scoring(("no", "maybe", "yes"), problem=problem)
    assert len(Classifier.load(folder, threads=1).classify("Fever.")) == 3


def test_a_model_of_pairs_refuses_a_single_text(tmp_path: Path) -> None:
    """And anything that is neither a text nor a pair, with its number."""
    pairs = Classifier.load(
        text_bundles.classifier(tmp_path / "b", Scoring(("no", "yes"), pairs=True)), threads=1
    )
    with pytest.raises(InputError, match="note 0: it is one text, and the model reads two"):
        pairs.classify(NOTE)
    for wrong in (3, ("a", "b", "c"), ("a", 3), b"text"):
        with pytest.raises(InputError, match="note 1: it is a"):
            list(pairs.pipe([("a", "b"), wrong]))  # type: ignore[list-item]
    with pytest.raises(InputError, match="pass a list of texts"):
        pairs.pipe("text")


def test_it_closes_pickles_and_obeys_a_timeout_as_a_recognizer_does(folder: Path) -> None:
    """One life for all three."""
    with Classifier.load(folder, threads=1) as classifier:
        again = pickle.loads(pickle.dumps(classifier))
        assert again.classify(NOTE) == classifier.classify(NOTE)
        assert again is pickle.loads(pickle.dumps(classifier))
        with pytest.raises(DeadlineError):
            classifier.classify(NOTE * 20, timeout=1e-9)
        assert classifier.report().labels == text_bundles.LABELS
        assert classifier.report().task == "text-classification"
        assert repr(classifier) == "<Classifier tiny, fp32, 3 labels>"
    again.close()
    with pytest.raises(ClosedError):
        classifier.classify(NOTE)
    with pytest.raises(ClosedError):
        pickle.dumps(classifier)
