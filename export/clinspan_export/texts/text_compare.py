"""Compare every precision of a model for whole texts with the PyTorch original, window by window of the same texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan.bundle.load_options import LoadOptions
from clinspan.bundle.loading import Origin, load
from clinspan.bundle.manifest import Bundle
from clinspan.bundle.tasks import ANSWERS, task_of, width_of
from clinspan.engine.model import Content
from clinspan.engine.providers import Device
from clinspan.engine.session import Session
from clinspan.text.merge import LabelScore, Scoring, label_scores, merge_logits, merge_vectors
from clinspan.text.pairs import PairIds
from clinspan.text.tokenizer import Tokenizer
from clinspan.texts import Text, TokenizedText, cut_of, tokenize_text
from clinspan_export.errors import ExportError
from clinspan_export.quiet import Progress, counting
from clinspan_export.texts.text_checkpoint import TextCheckpoint

# Of any logit, and of any number of a vector, whose largest are about as large.
TOLERANCE = 1e-3

Floats = npt.NDArray[np.float32]
Inputs = dict[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class TextLimits:
    """Limits beyond which an export fails; None for no limit.

    Attributes:
        min_agreement: least share of texts (0 to 1) for which the same labels are chosen as by PyTorch.
        max_score_change: most that any label's score may change.
        min_cosine: least mean cosine between a text's vector and PyTorch's.
        max_f1_loss: most micro F1 that may be lost against the labels of the texts.
    """

    min_agreement: float | None = None
    max_score_change: float | None = None
    min_cosine: float | None = None
    max_f1_loss: float | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not 0 <= value <= 1:
                raise ExportError(f"--{name.replace('_', '-')} is {value}: expected a number from 0 to 1")


@dataclass(frozen=True, slots=True)
class TextAgreement:
    """The comparison of one precision with PyTorch over some texts.

    Attributes:
        texts, windows: how many were compared.
        max_difference: largest absolute difference of any logit, or of any number of a vector.
        agreement: share of texts for which the same labels are chosen; None for vectors.
        max_score_change: most that any label's score changes; None for vectors.
        cosine_mean, cosine_min: between the two vectors of a text; None for labels.
        f1, f1_loss: micro F1 against the labels of annotators (the accuracy where a text has one label), and how much of
            PyTorch's is lost; None where nobody annotated the texts.
    """

    texts: int
    windows: int
    max_difference: float
    agreement: float | None = None
    max_score_change: float | None = None
    cosine_mean: float | None = None
    cosine_min: float | None = None
    f1: float | None = None
    f1_loss: float | None = None

    def line(self) -> str:
        """The figures in a line."""
        if self.agreement is not None:
            line = f"labels of {self.agreement:.3f} of texts agree, scores change by up to {self.max_score_change:.4f}"
            return line if self.f1 is None else f"{line}, F1 {self.f1:.4f} (loss {self.f1_loss:.4f})"
        return f"cosine to PyTorch {self.cosine_mean:.4f} on average, {self.cosine_min:.4f} at least"


def tokenized_texts(bundle: Bundle, texts: Sequence[Text]) -> list[TokenizedText]:
    """The windows of texts as the runtime cuts them."""
    tokenizer = Tokenizer(bundle.file(bundle.tokenizer))
    cut = cut_of(bundle.window, bundle.overlap, tokenizer)
    return [tokenize_text(text, tokenizer, cut, number=number) for number, text in enumerate(texts)]


def framed(tokenizer: Tokenizer, content: Content) -> Inputs:
    """A window as the model takes it, int64 (1, t) each."""
    if isinstance(content, PairIds):
        ids, types = tokenizer.pair_frame().join(content)
    else:
        ids = tokenizer.frame(content)
        types = np.zeros_like(ids)
    return {"input_ids": ids[None], "attention_mask": np.ones_like(ids)[None], "token_type_ids": types[None]}


def text_feeds(tokenizer: Tokenizer, texts: Sequence[TokenizedText]) -> Iterator[Inputs]:
    """Model inputs for every window of some texts."""
    for text in texts:
        for window in text.windows:
            yield framed(tokenizer, window)


def torch_answers(checkpoint: TextCheckpoint, inputs: Inputs) -> Floats:
    """Run the PyTorch model on a batch: float32 (b, c) or (b, d)."""
    import torch

    names = ["input_ids", "attention_mask", *(["token_type_ids"] if checkpoint.typed else [])]
    with torch.inference_mode():
        out: Floats = checkpoint.module(*(torch.from_numpy(inputs[name]) for name in names)).float().numpy()
    return out


def torch_texts(
    checkpoint: TextCheckpoint, bundle: Bundle, texts: Sequence[TokenizedText], progress: Progress
) -> list[list[Floats]]:
    """Run PyTorch on each window of each text."""
    tokenizer = Tokenizer(bundle.file(bundle.tokenizer))
    watched = counting(texts, progress, "PyTorch", total=len(texts), what="texts")
    return [[torch_answers(checkpoint, framed(tokenizer, w))[0] for w in text.windows] for text in watched]


def answers_of(
    bundle: Bundle, precision: str, texts: Sequence[TokenizedText], progress: Progress
) -> list[list[Floats]]:
    """Run one precision of a bundle on each window of each text."""
    loaded = load(Origin(bundle.path, LoadOptions(precision=precision, threads=1)), task_of(bundle.head))
    try:
        watched = counting(texts, progress, precision, total=len(texts), what="texts")
        return [[loaded.model.logits(window) for window in text.windows] for text in watched]
    finally:
        loaded.model.close()


def compare_texts(
    bundle: Bundle,
    precision: str,
    texts: Sequence[TokenizedText],
    reference: Sequence[Sequence[Floats]],
    progress: Progress,
    gold: Sequence[frozenset[str]] | None = None,
) -> TextAgreement:
    """Compare one precision with the answers of PyTorch to the same windows, and with the labels of annotators."""
    found = answers_of(bundle, precision, texts, progress)
    worst, windows = 0.0, 0
    for ours, theirs in zip(found, reference, strict=True):
        windows += len(ours)
        worst = max(worst, float(np.abs(np.stack(ours) - np.stack(theirs)).max()))
    if isinstance(bundle.head, Scoring):
        agreement = _labels(bundle.head, texts, found, reference, (len(texts), windows, worst))
        return agreement if gold is None else _scored(agreement, bundle.head, texts, found, reference, gold)
    return _cosines(bundle, texts, found, reference, (len(texts), windows, worst))


def _labels(
    scoring: Scoring,
    texts: Sequence[TokenizedText],
    found: Sequence[Sequence[Floats]],
    reference: Sequence[Sequence[Floats]],
    counts: tuple[int, int, float],
) -> TextAgreement:
    same, change = 0, 0.0
    for text, ours, theirs in zip(texts, found, reference, strict=True):
        a, b = (merge_logits(one, text.tokens, scoring) for one in (ours, theirs))
        change = max(change, float(np.abs(a - b).max()))
        same += chosen(label_scores(a, scoring)) == chosen(label_scores(b, scoring))
    return TextAgreement(*counts, agreement=same / len(texts), max_score_change=change)


def _scored(
    agreement: TextAgreement,
    scoring: Scoring,
    texts: Sequence[TokenizedText],
    found: Sequence[Sequence[Floats]],
    reference: Sequence[Sequence[Floats]],
    gold: Sequence[frozenset[str]],
) -> TextAgreement:
    ours, theirs = (
        micro_f1(
            [
                chosen(label_scores(merge_logits(one, text.tokens, scoring), scoring))
                for text, one in zip(texts, side, strict=True)
            ],
            gold,
        )
        for side in (found, reference)
    )
    return replace(agreement, f1=ours, f1_loss=theirs - ours)


def micro_f1(found: Sequence[frozenset[str]], gold: Sequence[frozenset[str]]) -> float:
    """F1 of all labels of all texts together; the accuracy where every text has one."""
    hits = sum(len(a & b) for a, b in zip(found, gold, strict=True))
    return 2 * hits / max(1, sum(map(len, found)) + sum(map(len, gold)))


def chosen(scores: Sequence[LabelScore]) -> frozenset[str]:
    """The labels that are decided for."""
    return frozenset(one.label for one in scores if one.chosen)


def _cosines(
    bundle: Bundle,
    texts: Sequence[TokenizedText],
    found: Sequence[Sequence[Floats]],
    reference: Sequence[Sequence[Floats]],
    counts: tuple[int, int, float],
) -> TextAgreement:
    cosines = []
    for text, ours, theirs in zip(texts, found, reference, strict=True):
        a, b = (merge_vectors(one, text.tokens, normalize=True).astype(np.float64) for one in (ours, theirs))
        cosines.append(float(a @ b))
    return TextAgreement(*counts, cosine_mean=float(np.mean(cosines)), cosine_min=min(cosines))


def check_text_shapes(checkpoint: TextCheckpoint, bundle: Bundle) -> float:
    """Hold the fp32 graph to PyTorch on single tokens, full windows and padded batches; returns the difference.

    Raises:
        ExportError: the two differ by more than the tolerance, or a row depends on what is beside it.
    """
    tokenizer = Tokenizer(bundle.file(bundle.tokenizer))
    task = task_of(bundle.head)
    session = Session(
        bundle.file(bundle.models["fp32"]),
        device=Device("cpu"),
        classes=width_of(bundle.head),
        answer=ANSWERS[task],
    )
    worst = 0.0
    for lengths in (
        [1],
        [7, 2, 5],
        [min(bundle.max_window, 512)],
        [33, 60] if bundle.max_window >= 60 else [4, 9],
    ):
        inputs = _random_batch(tokenizer, lengths, typed=checkpoint.typed)
        expected = torch_answers(checkpoint, inputs)
        run: Callable[..., Floats] = session.run
        got = run(inputs["input_ids"], inputs["attention_mask"], inputs["token_type_ids"])
        worst = max(worst, float(np.abs(got - expected).max()))
        for row, length in enumerate(lengths):
            own = slice(0, length + len(tokenizer.prefix) + len(tokenizer.suffix))
            alone = run(*(inputs[name][row : row + 1, own] for name in inputs))
            worst = max(worst, float(np.abs(got[row] - alone[0]).max()))
        if not worst <= TOLERANCE:
            raise ExportError(
                f"the fp32 ONNX model is not the PyTorch model on {len(lengths)} x {max(lengths)} tokens: "
                f"numbers differ by {worst:.2g} (allowed {TOLERANCE:g})"
            )
    return worst


def _random_batch(tokenizer: Tokenizer, lengths: Sequence[int], *, typed: bool) -> Inputs:
    random = np.random.default_rng(0)
    width = max(lengths) + len(tokenizer.prefix) + len(tokenizer.suffix)
    ids = np.full((len(lengths), width), tokenizer.pad_id, dtype=np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    frame = {*tokenizer.prefix.tolist(), *tokenizer.suffix.tolist(), tokenizer.pad_id}
    usable = np.array([i for i in range(tokenizer.vocabulary) if i not in frame], dtype=np.int64)
    for row, length in enumerate(lengths):
        whole = tokenizer.frame(random.choice(usable, length))
        ids[row, : len(whole)], mask[row, : len(whole)] = whole, 1
        types[row, len(whole) // 2 : len(whole)] = int(typed)
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def check_text_limits(precision: str, found: TextAgreement, limits: TextLimits) -> None:
    """Hold a precision to the limits; fp32 also to the original, number by number.

    Raises:
        ExportError: one is broken.
    """
    if precision == "fp32" and found.max_difference > TOLERANCE:
        raise ExportError(
            f"the fp32 ONNX model is not the PyTorch model: numbers differ by {found.max_difference:.2g} "
            f"(allowed {TOLERANCE:g})"
        )
    rows: list[tuple[str, Any, Any, int]] = [
        ("min-agreement", found.agreement, limits.min_agreement, 1),
        ("max-score-change", found.max_score_change, limits.max_score_change, -1),
        ("min-cosine", found.cosine_mean, limits.min_cosine, 1),
        ("max-f1-loss", found.f1_loss, limits.max_f1_loss, -1),
    ]
    for name, value, limit, sign in rows:
        if value is not None and limit is not None and sign * value < sign * limit:
            raise ExportError(f"{precision}: {found.line()}: beyond --{name} {limit:g}")
