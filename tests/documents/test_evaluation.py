"""Scoring."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clinspan.documents.document import Document, Entity
from clinspan.documents.scores import compare, evaluate
from clinspan.errors import InputError

LABELS = ("DRUG", "PROBLEM", "TEST")
TEXT = "x" * 400


def random_entities(rng: np.random.Generator) -> list[Entity]:
    """Entities that do not overlap among themselves, each at its own place of a grid of ten characters."""
    cells = rng.permutation(40)[: rng.integers(0, 12)].tolist()
    return [
        Entity(
            10 * cell + int(rng.integers(0, 4)), 10 * cell + int(rng.integers(5, 10)), str(rng.choice(LABELS))
        )
        for cell in sorted(cells)
    ]


def material(seed: int) -> tuple[list[Document], list[list[Entity]]]:
    """Annotations, and findings that repeat, shift, rename and drop them."""
    rng = np.random.default_rng(seed)
    gold, found = [], []
    for number in range(30):
        entities = random_entities(rng)
        guesses = []
        for entity in entities:
            draw = rng.random()
            if draw < 0.5:
                guesses.append(entity)
            elif draw < 0.7:
                guesses.append(Entity(entity.start, entity.end - 1, entity.label))
            elif draw < 0.8:
                guesses.append(Entity(entity.start, entity.end, "TEST"))
        guesses += [Entity(10 * c, 10 * c + 3, "DRUG") for c in range(40) if rng.random() < 0.03 and not any(
            e.start // 10 == c for e in entities)]  # fmt: skip
        gold.append(Document(str(number), TEXT, tuple(entities)))
        found.append(guesses)
    return gold, found


@pytest.mark.parametrize(("match", "strategy"), [("exact", "strict"), ("lenient", "ent_type")])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_agrees_with_nervaluate(match: str, strategy: str, seed: int) -> None:
    """Counts, precision, recall and F1 are those of nervaluate, together and per label."""
    nervaluate = pytest.importorskip("nervaluate")
    gold, found = material(seed)
    ours = evaluate(gold, found, labels=LABELS, resamples=0)
    # nervaluate's end is inclusive.
    plain = [[{"label": e.label, "start": e.start, "end": e.end - 1} for e in d.entities] for d in gold]
    guesses = [
        [{"label": e.label, "start": e.start, "end": e.end - 1} for e in entities] for entities in found
    ]
    theirs = nervaluate.Evaluator(plain, guesses, tags=list(LABELS), loader="dict").evaluate()
    pairs = [(ours.micro[match], theirs["overall"][strategy])]
    pairs += [(ours.by_label[match][label], theirs["entities"][label][strategy]) for label in LABELS]
    for mine, other in pairs:
        assert mine.hits == other.correct
        assert (mine.precision, mine.recall, mine.f1) == pytest.approx(
            (other.precision, other.recall, other.f1)
        )


def test_pieces_of_one_entity_count_once() -> None:
    """Two findings inside one annotation are one lenient hit and one false alarm."""
    scores = evaluate(
        [Document("1", TEXT, (Entity(0, 20, "DRUG"),))], [[Entity(0, 5, "DRUG"), Entity(8, 20, "DRUG")]]
    )
    assert (scores.micro["lenient"].hits, scores.micro["lenient"].found) == (1, 2)
    assert scores.micro["exact"].hits == 0


def test_touching_is_not_overlapping() -> None:
    """Entities that only touch share no character."""
    scores = evaluate([Document("1", TEXT, (Entity(0, 5, "DRUG"),))], [[Entity(5, 9, "DRUG")]])
    assert scores.micro["lenient"].hits == 0


def test_labels_nobody_looked_for_do_not_count() -> None:
    """In a document whose annotators looked for DRUG alone, a PROBLEM is neither missed nor a false alarm."""
    gold = [
        Document("1", TEXT, (Entity(0, 5, "DRUG"),), frozenset({"DRUG"})),
        Document("2", TEXT, (Entity(0, 5, "PROBLEM"),)),
    ]
    found = [[Entity(0, 5, "DRUG"), Entity(9, 12, "PROBLEM")], [Entity(0, 5, "PROBLEM")]]
    assert evaluate(gold, found).micro["exact"].f1 == 1.0


def test_labels_that_count_nowhere_do_not_lower_the_mean() -> None:
    """A label that is marked only where nobody looked for it gets no row in the evaluation."""
    entities = (Entity(0, 5, "DRUG"), Entity(9, 12, "PROBLEM"))
    scores = evaluate([Document("1", TEXT, entities, frozenset({"DRUG"}))], [list(entities)])
    assert scores.labels == ("DRUG",)
    assert scores.macro_f1["exact"] == 1.0


def test_unannotated_labels_are_reported() -> None:
    """Findings of a label that the annotations never use are reported, not dropped silently."""
    scores = evaluate(
        [Document("1", TEXT, (Entity(0, 5, "DRUG"),))], [[Entity(0, 5, "DRUG"), Entity(9, 12, "TEST")]]
    )
    assert scores.unscored == {"TEST": 1}
    assert scores.micro["exact"].precision == 1.0


def test_interval_holds_the_score_and_repeats() -> None:
    """The bootstrap's interval surrounds the F1 and is the same for the same seed."""
    gold, found = material(3)
    first, again = (evaluate(gold, found, seed=7).micro["exact"] for _ in range(2))
    assert first.interval == again.interval
    assert first.interval[0] < first.f1 < first.interval[1]


def test_interval_is_that_of_a_plain_bootstrap() -> None:
    """The vectorised bootstrap agrees with one written out loop by loop."""
    gold, found = material(4)
    rng = np.random.default_rng(0)
    plain = []
    for _ in range(400):
        drawn = rng.integers(0, len(gold), len(gold))
        scores = evaluate([gold[i] for i in drawn], [found[i] for i in drawn], labels=LABELS, resamples=0)
        plain.append(scores.micro["exact"].f1)
    low, high = evaluate(gold, found, labels=LABELS, resamples=4000).micro["exact"].interval
    assert np.quantile(plain, [0.025, 0.975]) == pytest.approx([low, high], abs=0.02)


def test_nothing_to_score_is_zero_not_an_error() -> None:
    """Without entities on either side the scores are 0 and nothing divides by zero."""
    scores = evaluate([Document("1", TEXT, ())], [[]], labels=["DRUG"], resamples=0)
    assert scores.micro["exact"].f1 == 0.0
    assert math.isnan(scores.micro["exact"].interval[0])


def test_finding_nothing_where_there_is_nothing_scores_zero() -> None:
    """Such documents show no skill; this is the one answer, for the exporter and for training too."""
    score = evaluate([Document("1", TEXT, ())], [[]], labels=["DRUG"], resamples=0).micro["exact"]
    assert (score.precision, score.recall, score.f1) == (0, 0, 0)


def test_lists_that_do_not_pair_are_refused() -> None:
    """A missing list of findings is an error, not a shorter evaluation."""
    with pytest.raises(InputError, match="1 annotated documents and 0 lists"):
        evaluate([Document("1", TEXT, ())], [])


def test_comparison_is_of_the_two_scores() -> None:
    """The difference is that of the two F1, and a model is exactly as good as itself in every draw."""
    gold, found = material(3)
    perfect = [list(document.entities) for document in gold]
    ours = compare(gold, found, perfect)
    for match, difference in ours.items():
        assert difference.f1 == pytest.approx(evaluate(gold, found).micro[match].f1 - 1)
        assert difference.interval[0] < difference.f1 < difference.interval[1] < 0
        assert compare(gold, perfect, found)[match].f1 == pytest.approx(-difference.f1)
    assert all(same.f1 == 0 and same.interval == (0, 0) for same in compare(gold, found, found).values())


def test_comparison_draws_the_same_documents_for_both() -> None:
    """Documents that are hard for both models do not widen the interval: one more miss in each document is a sure loss."""
    entities = [tuple(Entity(10 * n, 10 * n + 5, "DRUG") for n in range(20)) for _ in range(30)]
    gold = [Document(str(number), TEXT, group) for number, group in enumerate(entities)]
    # Of 20 entities the first model finds 2, 4, ... and the second one more.
    first = [list(group[: 2 * (number % 10)]) for number, group in enumerate(entities)]
    second = [list(group[: 2 * (number % 10) + 1]) for number, group in enumerate(entities)]
    low, high = compare(gold, second, first)["exact"].interval
    assert 0.03 < low < high < 0.08
    alone = evaluate(gold, first).micro["exact"].interval
    assert high - low < alone[1] - alone[0]


def test_comparison_wants_as_many_findings_as_documents() -> None:
    """A list that is short is refused, on either side."""
    gold, found = material(3)
    for first, second in ((found[1:], found), (found, found[1:])):
        with pytest.raises(InputError, match="expected one list for each document"):
            compare(gold, first, second)


def test_comparison_without_documents() -> None:
    """Nothing was scored: no difference, and no interval to speak of."""
    (exact, lenient) = compare([], [], []).values()
    assert exact.f1 == lenient.f1 == 0
    assert all(math.isnan(edge) for edge in (*exact.interval, *lenient.interval))
