"""Set how readily the starter marks clinical entities: one number, chosen on development documents.

Trained on few reports, the model marks more than their annotators did. A constant taken from the logits of PROBLEM, TEST and
TREATMENT, in the classifier's bias, trades the surplus for precision; it costs nothing at run time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForTokenClassification

from clinspan.documents.document import Document
from clinspan.text.tokenizer import Tokenizer
from clinspan_export.quiet import Progress
from clinspan_export.starter.sources import CLINICAL, LABELS
from clinspan_export.train.finetune import exact_f1
from clinspan_export.train.windows import bio_classes

_CANDIDATES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)

# Scores this close are the same on so few documents; the smaller change is taken then.
_TIE = 0.003


def balance(checkpoint: Path, documents: Sequence[Document], *, window: int, progress: Progress) -> float:
    """Choose the smallest constant that is near the best exact F1 on `documents`, write it into the checkpoint, return it."""
    model = AutoModelForTokenClassification.from_pretrained(checkpoint)
    tokenizer = Tokenizer(checkpoint / "tokenizer.json")
    clinical = [number for number, name in enumerate(bio_classes(LABELS)) if name[2:] in CLINICAL]
    plain = model.classifier.bias.detach().clone()
    scores: dict[float, float] = {}
    for constant in _CANDIDATES:
        _shift(model, plain, clinical, constant)
        scores[constant] = exact_f1(model, tokenizer, documents, LABELS, window)
        progress(f"clinical logits less {constant}: F1 {scores[constant]:.4f}")
    best = min(constant for constant in _CANDIDATES if scores[constant] >= max(scores.values()) - _TIE)
    _shift(model, plain, clinical, best)
    model.save_pretrained(checkpoint)
    return best


def _shift(model: torch.nn.Module, plain: torch.Tensor, classes: Sequence[int], constant: float) -> None:
    with torch.no_grad():
        bias = plain.clone()
        bias[list(classes)] -= constant
        model.classifier.bias.copy_(bias)
