"""Compare every precision with the PyTorch original over the same windows of the same notes.

fp32 is held to the logits; the rest to the spans that come out at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan.bundle.manifest import Bundle
from clinspan.documents.document import Document
from clinspan.engine.session import Session
from clinspan.pipeline import (
    Cutting,
    Logits,
    note_spans,
    own_logits,
    stitch,
    tokenize,
    window_ids,
    window_words,
)
from clinspan.recognizer import Recognizer
from clinspan.text.decode import Span, label_table
from clinspan.text.tokenizer import Tokenizer
from clinspan_export.errors import ExportError
from clinspan_export.graphs.surgery import Feed
from clinspan_export.quiet import Progress, counting
from clinspan_export.verify.span_diff import Change, Counts, changes, count

Ids = npt.NDArray[np.int64]

TOLERANCE = 1e-3

# Models may read thousands of tokens at once; what holds at this length is taken to hold beyond.
_LONGEST_CHECK = 512


@dataclass(frozen=True, slots=True)
class Reference:
    """The answers of PyTorch to some notes: for each its token logits, float32 (n, c), and its spans."""

    logits: Sequence[Logits]
    spans: Sequence[Sequence[Span]]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The comparison of one precision with PyTorch.

    Attributes:
        precision: of the ONNX model.
        total: spans counted over all labels.
        labels: the same per label.
        notes: the same per note id, for notes in which a span differs, worst first.
        changes: every span that differs.
        spans: those that the ONNX model finds in each note.
        max_logit_difference: largest absolute difference of any logit.
        flipped: tokens whose decided label differs though PyTorch's margin exceeds the tolerance.
    """

    precision: str
    total: Counts
    labels: Mapping[str, Counts]
    notes: Mapping[str, Counts]
    changes: Sequence[Change]
    spans: Sequence[Sequence[Span]]
    max_logit_difference: float
    flipped: int

    def as_json(self) -> dict[str, Any]:
        """Report for the manifest: no text of any note, the ten worst notes by id."""
        return {
            **self.total.as_json(),
            "max_logit_difference": self.max_logit_difference,
            "flipped_labels": self.flipped,
            "labels": {label: counts.as_json() for label, counts in self.labels.items()},
            "worst_notes": [
                {"id": note, **counts.as_json()} for note, counts in list(self.notes.items())[:10]
            ],
        }


def feeds(tokenizer: Tokenizer, notes: Iterable[str], *, window: int) -> Iterator[Feed]:
    """Model inputs for every window of some notes, each int64 (1, t)."""
    for note in notes:
        tokenized = tokenize(note, tokenizer, Cutting(window))
        for planned in tokenized.windows:
            ids = tokenizer.frame(window_ids(tokenized, planned))[None]
            mask, types = np.ones_like(ids), np.zeros_like(ids)
            yield {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def torch_reference(
    model: Any, bundle: Bundle, samples: Sequence[Document], progress: Progress = lambda _: None
) -> Reference:
    """Run the PyTorch model over the very windows that the runtime uses; `progress` is told how far it is."""
    tokenizer = Tokenizer(bundle.file(bundle.tokenizer), words=bundle.words)
    table = label_table(bundle.labels)
    cutting = Cutting(bundle.window, bundle.overlap)
    all_logits, all_spans = [], []
    for sample in counting(samples, progress, "PyTorch", total=len(samples)):
        note = tokenize(sample.text, tokenizer, cutting)
        runs = [(window, run_torch(model, tokenizer, window_ids(note, window))) for window in note.windows]
        words = [window_words(note, window, logits, bundle.aggregation) for window, logits in runs]
        owned = [own_logits(window, logits) for window, logits in runs]
        all_logits.append(stitch(owned, len(bundle.labels.names)))
        all_spans.append(note_spans(note, words, table, whole=bundle.whole_words, crf=bundle.crf))
    return Reference(all_logits, all_spans)


def run_torch(model: Any, tokenizer: Tokenizer, content: npt.NDArray[np.int32]) -> Logits:
    """Run a window through a PyTorch model: ids without special tokens, int32 (t,), to logits, float32 (t, c)."""
    ids = tokenizer.frame(content)[None]
    begin = len(tokenizer.prefix)
    return torch_logits(model, ids, np.ones_like(ids))[0, begin : begin + len(content)]


def torch_logits(model: Any, ids: Ids, mask: Ids) -> Logits:
    """Logits of a PyTorch model, float32 (b, t, c), for ids and mask, int64 (b, t)."""
    import torch

    inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    with torch.inference_mode():
        out = model(**{name: tensor.to(model.device) for name, tensor in inputs.items()})
    logits: Logits = out.logits.float().cpu().numpy()
    return logits


def compare(
    reference: Reference,
    recognizer: Recognizer,
    samples: Sequence[Document],
    progress: Progress = lambda _: None,
) -> Agreement:
    """Compare an ONNX model with the answers of PyTorch to the same notes.

    Args:
        reference: from `torch_reference`.
        recognizer: the ONNX model in the same windows.
        samples: the same notes, in the same order.
        progress: told how far it is, a line now and then.
    """
    difference, flipped = 0.0, 0
    precision = recognizer.report().precision
    pairs = zip(samples, reference.logits, strict=True)
    for sample, expected in counting(pairs, progress, f"{precision}, logits", total=len(samples)):
        got = recognizer.token_logits(sample.text)
        if len(got):
            difference = max(difference, float(np.abs(got - expected).max()))
            flipped += _flipped(expected, got)
    piped = recognizer.pipe(sample.text for sample in samples)
    found = list(counting(piped, progress, f"{precision}, spans", total=len(samples)))
    changed = [changes(sample.id, a, b) for sample, a, b in zip(samples, reference.spans, found, strict=True)]
    flat = list(chain.from_iterable(changed))
    total, labels = count(reference.spans, found, flat)
    per_note = {
        sample.id: count([a], [b], c)[0]
        for sample, a, b, c in zip(samples, reference.spans, found, changed, strict=True)
        if c
    }
    worst = dict(sorted(per_note.items(), key=lambda item: (-item[1].changed, item[0])))
    return Agreement(precision, total, labels, worst, flat, found, difference, flipped)


def check_shapes(model: Any, session: Session, tokenizer: Tokenizer, longest: int) -> float:
    """Hold the fp32 ONNX model to PyTorch on single tokens, full windows and padded batches.

    A graph whose batch or length was frozen while it was traced fails here, whatever the notes are like.

    Args:
        model: the original.
        session: the ONNX model, in fp32.
        tokenizer: for the special tokens and the padding.
        longest: most tokens that the model can read at once, special tokens not counted.

    Returns:
        The largest absolute difference of any logit.

    Raises:
        ExportError: the two differ by more than the tolerance.
    """
    worst = 0.0
    for lengths in ([1], [7, 2, 5], [min(longest, _LONGEST_CHECK)], [33, 60] if longest >= 60 else [4, 9]):
        ids, mask = _random_batch(tokenizer, lengths)
        expected, got = torch_logits(model, ids, mask), session.run(ids, mask)
        real = mask == 1
        worst = max(worst, float(np.abs(got[real] - expected[real]).max()))
        flipped = _flipped(expected[real], got[real])
        if not worst <= TOLERANCE or flipped:
            raise ExportError(
                f"the fp32 ONNX model is not the PyTorch model on {len(lengths)} x {max(lengths)} tokens: "
                f"logits differ by {worst:.2g} (allowed {TOLERANCE:g}), {flipped} decided labels differ"
            )
    return worst


def _random_batch(tokenizer: Tokenizer, lengths: Sequence[int]) -> tuple[Ids, Ids]:
    random = np.random.default_rng(0)
    frame = set(tokenizer.prefix.tolist()) | set(tokenizer.suffix.tolist()) | {tokenizer.pad_id}
    usable = np.array([i for i in range(tokenizer.vocabulary) if i not in frame], dtype=np.int64)
    width = max(lengths) + len(tokenizer.prefix) + len(tokenizer.suffix)
    ids = np.full((len(lengths), width), tokenizer.pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, length in enumerate(lengths):
        whole = tokenizer.frame(random.choice(usable, length))
        ids[row, : len(whole)] = whole
        mask[row, : len(whole)] = 1
    return ids, mask


def _flipped(expected: Logits, got: Logits) -> int:
    """Tokens whose label differs though the margin between PyTorch's two best exceeds the tolerance."""
    best = np.sort(expected, axis=1)
    sure = best[:, -1] - best[:, -2] > TOLERANCE
    return int(np.sum(sure & (got.argmax(1) != expected.argmax(1))))
