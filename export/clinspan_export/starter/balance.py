"""Set two numbers in the starter's classifier, chosen on development documents; they cost nothing at run time.

Trained on few reports, the model marks more than their annotators did: a constant taken from the logits of PROBLEM, TEST and
TREATMENT trades the surplus for precision. And trained to the end, it is surer than it is right: logits divided by a temperature
(Guo et al. 2017, arXiv:1706.04599) bring a span's score near to how often such spans are right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForTokenClassification

from clinspan.documents.document import Document
from clinspan.pipeline import Ids, Logits, RunWindow
from clinspan.text.tokenizer import Tokenizer
from clinspan_export.quiet import Progress
from clinspan_export.starter.sources import CLINICAL, LABELS
from clinspan_export.train.finetune import exact_f1, read_spans
from clinspan_export.train.windows import bio_classes
from clinspan_export.verify.compare import run_torch

_CANDIDATES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)

_TEMPERATURES = (1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.25, 2.5, 2.75, 3.0)

# A score nearer to 0 or 1 counts as this near.
_LEAST = 1e-4

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


def temper(checkpoint: Path, documents: Sequence[Document], *, window: int, progress: Progress) -> float:
    """Choose the temperature with the least log loss of "this span is exact", write it into the checkpoint, return it.

    Which spans are found does not change: dividing all logits of a token leaves the best label the best.
    """
    model = AutoModelForTokenClassification.from_pretrained(checkpoint).eval()
    tokenizer = Tokenizer(checkpoint / "tokenizer.json")
    run = cache_runs(partial(run_torch, model, tokenizer))
    losses = {}
    for temperature in _TEMPERATURES:
        losses[temperature] = _log_loss(run, tokenizer, documents, window, temperature)
        progress(f"temperature {temperature}: log loss of spans {losses[temperature]:.4f}")
    best = min(losses, key=lambda temperature: losses[temperature])
    with torch.no_grad():
        model.classifier.weight /= best
        model.classifier.bias /= best
    model.save_pretrained(checkpoint)
    return best


def cache_runs(run: RunWindow) -> RunWindow:
    """The same answers, each window of tokens run once."""
    known: dict[bytes, Logits] = {}

    def cached(ids: Ids) -> Logits:
        key = ids.tobytes()
        if key not in known:
            known[key] = run(ids)
        return known[key]

    return cached


def _log_loss(
    run: RunWindow, tokenizer: Tokenizer, documents: Sequence[Document], window: int, temperature: float
) -> float:
    losses = []
    cooled = read_spans(lambda ids: run(ids) / np.float32(temperature), tokenizer, documents, LABELS, window)
    for document, spans in zip(documents, cooled, strict=True):
        gold = {(entity.start, entity.end, entity.label) for entity in document.entities}
        for span in spans:
            sure = min(max(span.score, _LEAST), 1 - _LEAST)
            right = (span.start, span.end, span.label) in gold
            losses.append(-math.log(sure if right else 1 - sure))
    return float(np.mean(losses))


def _shift(model: torch.nn.Module, plain: torch.Tensor, classes: Sequence[int], constant: float) -> None:
    with torch.no_grad():
        bias = plain.clone()
        bias[list(classes)] -= constant
        model.classifier.bias.copy_(bias)
