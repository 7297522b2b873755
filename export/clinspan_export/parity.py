"""Is it the same model? Compares every precision with the PyTorch original on notes.

fp32 is held to the logits; the rest to the spans that come out at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan.decode import Span, label_table, read_words, spans
from clinspan.labels import LabelSet
from clinspan.recognizer import Recognizer
from clinspan.tokenizer import Tokenizer
from clinspan.windows import plan


@dataclass(frozen=True, slots=True)
class Agreement:
    """How one precision compares with PyTorch.

    Attributes:
        precision: of the ONNX model.
        spans_torch, spans_onnx, spans_same: counts; same means equal label, start and end.
        max_logit_difference: largest absolute difference of any logit; None where not compared.
        flipped: tokens whose decided label differs though PyTorch's margin exceeds the tolerance.
    """

    precision: str
    spans_torch: int
    spans_onnx: int
    spans_same: int
    max_logit_difference: float | None
    flipped: int

    @property
    def f1(self) -> float:
        """Span agreement: F1 of one side's spans against the other's; 1.0 where neither has any."""
        total = self.spans_torch + self.spans_onnx
        return 2 * self.spans_same / total if total else 1.0

    def as_json(self) -> dict[str, Any]:
        """Report for the manifest."""
        return {
            "span_agreement_f1": round(self.f1, 4),
            "spans_torch": self.spans_torch,
            "spans_onnx": self.spans_onnx,
            "spans_same": self.spans_same,
            "max_logit_difference": self.max_logit_difference,
            "flipped_labels": self.flipped,
        }


@dataclass(frozen=True, slots=True)
class Reference:
    """What PyTorch says of some notes: token logits, float32 (n, c) a note, and spans."""

    logits: Sequence[npt.NDArray[np.float32]]
    spans: Sequence[Sequence[Span]]


def feeds(
    tokenizer: Tokenizer, notes: Iterable[str], *, window: int
) -> Iterator[dict[str, npt.NDArray[np.int64]]]:
    """Model inputs for every window of some notes, each int64 (1, t)."""
    for note in notes:
        encoding = tokenizer.encode(note)
        for w in plan(encoding.cuts, window=window):
            ids = np.concatenate([tokenizer.prefix, encoding.ids[w.start : w.stop], tokenizer.suffix])[None]
            yield {
                "input_ids": ids,
                "attention_mask": np.ones_like(ids),
                "token_type_ids": np.zeros_like(ids),
            }


def torch_reference(
    model: Any,
    tokenizer: Tokenizer,
    labels: LabelSet,
    notes: Iterable[str],
    *,
    window: int,
    overlap: int,
    vote: str,
) -> Reference:
    """Run the PyTorch model over the very windows that the runtime uses."""
    import torch

    table = label_table(labels)
    all_logits, all_spans = [], []
    for note in notes:
        encoding = tokenizer.encode(note)
        parts, words = [], []
        for w in plan(encoding.cuts, window=window, overlap=overlap):
            ids = np.concatenate([tokenizer.prefix, encoding.ids[w.start : w.stop], tokenizer.suffix])[None]
            with torch.inference_mode():
                tensor = torch.from_numpy(ids)
                logits = (
                    model(input_ids=tensor, attention_mask=torch.ones_like(tensor)).logits[0].float().numpy()
                )
            begin = len(tokenizer.prefix) + w.own_start - w.start
            own = logits[begin : begin + w.own_stop - w.own_start]
            parts.append(own)
            words.append(
                read_words(own, encoding.word_ids[w.own_start : w.own_stop], vote, start=w.own_start)
            )
        all_logits.append(np.concatenate(parts) if parts else np.zeros((0, len(labels.names)), np.float32))
        all_spans.append(spans(note, encoding, words, table))
    return Reference(all_logits, all_spans)


def compare(
    reference: Reference, recognizer: Recognizer, notes: Sequence[str], *, precision: str, tolerance: float
) -> Agreement:
    """Compare an ONNX model with what PyTorch said of the same notes.

    Args:
        reference: from `torch_reference`.
        recognizer: the ONNX model in the same windows.
        notes: the same notes, in the same order.
        precision: name for the report.
        tolerance: a label may flip only where PyTorch's margin between its two best labels is smaller.
    """
    difference, flipped = 0.0, 0
    for note, expected in zip(notes, reference.logits, strict=True):
        got = recognizer.token_logits(note)
        if len(got):
            difference = max(difference, float(np.abs(got - expected).max()))
            best = np.sort(expected, axis=1)
            sure = best[:, -1] - best[:, -2] > tolerance
            flipped += int(np.sum(sure & (got.argmax(1) != expected.argmax(1))))
    theirs = [{(s.label, s.start, s.end) for s in found} for found in reference.spans]
    ours = [{(s.label, s.start, s.end) for s in found} for found in recognizer.pipe(notes)]
    return Agreement(
        precision,
        sum(map(len, theirs)),
        sum(map(len, ours)),
        sum(len(a & b) for a, b in zip(theirs, ours, strict=True)),
        difference,
        flipped,
    )
