"""The project's targets, the measured figures and whether each target is met, from the results that exist.

python -m benchmarks targets
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.pages import clinical, whole_texts
from benchmarks.pages.labels import table
from benchmarks.peers import FLOOR, OURS
from benchmarks.questions import QUESTIONS
from benchmarks.run.record import names, read, rows


@dataclass(frozen=True, slots=True)
class Target:
    """A figure to reach.

    Attributes:
        question: the name of the question that measures it.
        what: the figure.
        limit: it is at least this, or at most.
        least: at least.
        measure: reads it from results; raises LookupError where the benchmark has not run.
        unit: behind the figure.
        digits: behind the point, for figures below 10.
    """

    question: str
    what: str
    limit: float
    least: bool
    measure: Callable[[], float]
    unit: str = ""
    digits: int = 2

    def row(self) -> tuple[str, str, str, str]:
        """Say what, the limit, the figure and whether it is met."""
        limit = f"at {'least' if self.least else 'most'} {self.limit:g}{self.unit}"
        try:
            value = self.measure()
        except LookupError:
            return self.what, limit, "not run", ""
        met = value >= self.limit if self.least else value <= self.limit
        text = f"{value:.{self.digits}f}" if abs(value) < 10 else f"{value:.0f}"
        return self.what, limit, f"{text}{self.unit}", "yes" if met else "**no**"


def main(arguments: Sequence[str]) -> None:
    """Print the table of targets."""
    print(reached())


def reached() -> str:
    """All targets; those whose benchmark has not run say so."""
    return table(("", "target", "measured", "met"), [target.row() for target in targets()])


def asked() -> str:
    """All questions with their commands and targets."""
    lines = []
    by_question: dict[str, list[Target]] = {}
    for target in targets():
        by_question.setdefault(target.question, []).append(target)
    for name, question in QUESTIONS.items():
        command = f"`python -m benchmarks {name} {question.options}".rstrip() + "`"
        first = (f"**{question.asks}**", command)
        for target in by_question.get(name, []):
            lines.append((*first, *target.row()))
            first = ("", "")
        if name not in by_question:
            lines.append((*first, "", "", "", ""))
    return table(("question", "command", "figure", "target", "measured", "met"), lines)


def targets() -> Iterator[Target]:
    """Every target."""
    against = "throughput against"
    for peer, what, limit in (
        ("transformers_fp32", "transformers torch fp32, stride 128", 10),
        ("openmed_int8_best", "OpenMed int8 at its best settings", 1.7),
        ("optimum_int8_best", "optimum int8 at its best settings", 2.3),
    ):
        yield Target("throughput", f"{against} {what}", limit, True, _speed(peer), "x")
    yield Target("peak", "share of onnxruntime's int8 matrix peak", 75, True, _share_of_peak, " %")
    yield Target("latency", "p50 of a short message, against transformers fp32", 4, True, _latency, "x")
    cold = "cold start, against"
    yield Target("coldstart", f"{cold} transformers fp32", 12, True, lambda: _cold("transformers_fp32"), "x")
    yield Target("coldstart", f"{cold} bare onnxruntime", 1.5, False, lambda: 1 / _cold(FLOOR), "x")
    yield Target("memory", "peak memory, BERT-base int8", 300, False, _memory, " MB")
    yield Target("growth", "more memory after 10,000 notes than after 1,000", 5, False, _many, " MB")
    yield Target("growth", "peak memory more for a note of 5 million characters", 100, False, _long, " MB")
    outside = "time outside session.run,"
    yield Target("overhead", f"{outside} long notes", 3, False, _outside("long_notes"), " %")
    yield Target("overhead", f"{outside} short messages", 10, False, _outside("short_messages"), " %")
    yield Target("growth", "speed, 10,000 to 5 million characters, from its mean", 10, False, _linear, " %")
    yield Target("reuse", "reuse on notes copied forward", 1.8, True, _reuse, "x")
    trained = "lost on dev, half of the time taken and 300 steps of training, MPNet-base"
    yield Target("pruning", "int8 speed, MPNet-base, no training", 1.4, True, _pruned("pruned_speedup"), "x")
    yield Target("pruning", "exact F1 lost by that on test", 0.01, False, _pruned("pruned_f1_loss"), digits=4)
    yield Target("pruning", f"exact F1 {trained}", 0.005, False, _lost_on_dev, digits=4)
    yield Target("assertion", "F1 of negation, NegEx kit", 0.95, True, clinical.negation_f1, digits=3)
    yield Target("assertion", "import, against medSpaCy", 100, True, clinical.import_times, "x")
    yield Target("assertion", "CPU time a note", 1, False, clinical.milliseconds_a_note, " ms")
    for peer, what in (("nearest_drug", "the nearest drug's"), ("openmed_links", "OpenMed's")):
        for key, data in (("phee_test_all_gold", "PHEE test"), ("maccrobat_test_all_gold", "MACCROBAT test")):
            gained = partial(clinical.ahead_of, peer, key)
            yield Target("regimens", f"F1 less {what}, {data}", 0, True, gained, digits=3)
    for question in ("embedding", "classification"):
        for what, figure in (
            ("texts a second", "texts_per_s"),
            ("one text alone", "lone_text_ms"),
            ("first answer", "first_answer_s"),
        ):
            ahead = whole_texts.ahead(question, figure, more=figure == "texts_per_s")
            yield Target(question, f"{what}, fp32, against the best of the others", 1, True, ahead, "x")
    nearness = "largest difference from sentence-transformers, millionths"
    yield Target("embedding", nearness, 10, False, whole_texts.difference)
    for name in names("quality"):
        data = name.removeprefix("quality_")
        for key, what in (("f1_less_chosen", ""), ("f1_less_best", " at its best on test")):
            measure = _quality(name, key)
            yield Target("quality", f"F1 less the pipeline's{what}, {data}", -0.003, True, measure, digits=4)


def _speed(peer: str) -> Callable[[], float]:
    def measure() -> float:
        found = rows("throughput")
        return float(found[OURS]["kchars_per_s"] / found[peer]["kchars_per_s"])

    return measure


def _share_of_peak() -> float:
    return 100 * float(read("peak")["summary"]["share"])


def _latency() -> float:
    found = rows("latency")
    return float(found["transformers_fp32"]["short"]["p50_ms"] / found[OURS]["short"]["p50_ms"])


def _cold(peer: str) -> float:
    found = rows("coldstart")
    return float(found[peer]["first_spans_s"] / found[OURS]["first_spans_s"])


def _memory() -> float:
    return float(rows("memory")[OURS]["peak_mb"])


def _many() -> float:
    used = {row["notes"]: row["mb"] for row in read("growth")["summary"]["many_notes"]}
    return float(used[10_000] - used[1_000])


def _long() -> float:
    return float(rows("growth_starter", "characters")[5_000_000]["peak_mb_more"])


def _outside(texts: str) -> Callable[[], float]:
    return lambda: 100 * float(rows("overhead", "texts")[texts]["share_outside_session_run"])


def _linear() -> float:
    return 100 * float(read("growth_starter")["summary"]["speed_farthest_from_mean"])


def _reuse() -> float:
    return float(rows("reuse")["reuse_512"]["times_faster_than_off"])


def _pruned(key: str) -> Callable[[], float]:
    return lambda: float(read("pruning_mpnet")["summary"][key])


def _lost_on_dev() -> float:
    by_kind = rows("pruning_mpnet", "kind")
    return float(by_kind["whole"]["dev"] - by_kind["recovered"]["dev"])


def _quality(name: str, key: str) -> Callable[[], float]:
    return lambda: float(read(name)["summary"][key])
