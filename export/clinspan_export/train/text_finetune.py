"""Fine-tune a classifier of texts or pairs of any length: windows of one text are merged in training as in the runtime.

Each epoch ends with a score on the development texts (accuracy, or the best micro F1 where texts have several labels);
the best epoch is what is saved, with thresholds that were chosen on the same texts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from clinspan.documents.labelled import LabelledText
from clinspan.errors import InputError
from clinspan.text.merge import Scoring, merge_logits
from clinspan.text.tokenizer import Tokenizer
from clinspan.texts import cut_of, tokenize_text
from clinspan_export.checkpoint import Trust, inspect
from clinspan_export.texts.text_compare import framed
from clinspan_export.texts.thresholds import best_threshold, choose_thresholds
from clinspan_export.train.text_settings import TextOutcome, TextSettings

logger = logging.getLogger(__name__)
_PROBLEMS = {"single-label": "single_label_classification", "multi-label": "multi_label_classification"}


@dataclass(frozen=True, slots=True)
class TextRow:
    """One text to learn from.

    Attributes:
        windows: ids and type ids of each, int64 (2, t), special tokens included.
        tokens: that each window answers for.
        truth: float32 (c,), 1 for each label that it carries.
    """

    windows: tuple[npt.NDArray[np.int64], ...]
    tokens: tuple[int, ...]
    truth: npt.NDArray[np.float32]


def finetune_texts(
    train: Sequence[LabelledText],
    development: Sequence[LabelledText],
    base: str | Path,
    out: Path,
    *,
    scoring: Scoring,
    settings: TextSettings,
    device: str = "cpu",
    progress: Callable[[str], None] = logger.info,
) -> TextOutcome:
    """Train on `train`, select on `development`, save the best epoch in `out`.

    Args:
        train: texts with their labels.
        development: the same; may be empty, then the last epoch is saved and every threshold is 0.5.
        base: folder or Hub id of a Hugging Face encoder with a fast tokenizer.
        out: folder for the checkpoint; its config.json says how windows are merged and which thresholds hold.
        scoring: the labels in the order of the logits, and how windows are merged.
        settings: how to train.
        device: "cpu", "cuda" or another torch device.
        progress: called with one line at a time.

    Raises:
        InputError: there is nothing to train on, or a text does not fit the model.
    """
    torch.manual_seed(settings.seed)
    tokenizer = AutoTokenizer.from_pretrained(base, use_fast=True)
    tokenizer.save_pretrained(out)
    reader = Tokenizer(out / "tokenizer.json")
    rows, dev = (
        _rows(texts, name, reader, scoring, settings.window)
        for name, texts in (("training", train), ("development", development))
    )
    if not rows:
        raise InputError("found no text to train on")
    model = _model(base, scoring, device).to(device)
    _start_at_frequency(model, rows, scoring)
    run = _Run(model, scoring, settings, rows, device)
    scores: list[float] = []
    thresholds: dict[str, float] = {}
    for epoch in range(settings.epochs):
        loss = run.epoch(epoch)
        found = run.probabilities(dev)
        scores.append(_score(found, dev, scoring) if dev else -loss)
        progress(f"epoch {epoch + 1}/{settings.epochs} loss {loss:.4f} score {scores[-1]:.4f}")
        best = int(np.argmax(scores)) if dev else epoch
        if best == epoch:
            if dev and scoring.problem == "multi-label":
                thresholds = choose_thresholds(found, _truth(dev), scoring.names)
            _save(run, out, scoring, settings, thresholds)
        if epoch - best >= settings.patience:
            progress(f"no better score for {settings.patience} epochs: stopped")
            break
    best = int(np.argmax(scores)) if dev else len(scores) - 1
    return TextOutcome(best + 1, tuple(scores), thresholds)


def _model(base: str | Path, scoring: Scoring, device: str) -> Any:
    names = dict(enumerate(scoring.names))
    inspect(str(base), Trust())
    config = AutoConfig.from_pretrained(
        base,
        id2label=names,
        label2id={name: number for number, name in names.items()},
        problem_type=_PROBLEMS[scoring.problem],
    )
    if hasattr(config, "attention_probs_dropout_prob"):
        config.attention_probs_dropout_prob = 0.0  # a fifth faster on a CPU
    # In training on a CPU torch's fused attention takes a fifth longer than its plain one.
    plain = {"attn_implementation": "eager"} if device == "cpu" else {}
    return AutoModelForSequenceClassification.from_pretrained(
        base, config=config, ignore_mismatched_sizes=True, **plain
    )


def _start_at_frequency(model: Any, rows: Sequence[TextRow], scoring: Scoring) -> None:
    """Let every label begin as likely as it is among the texts, so that training need not spend its first epoch on that."""
    last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    if last.bias is None or len(last.bias) != len(scoring.names):
        return
    share = np.clip(np.stack([row.truth for row in rows]).mean(0), 1e-3, 1 - 1e-3)
    start = np.log(share / (1 - share)) if scoring.problem == "multi-label" else np.log(share)
    with torch.no_grad():
        last.bias.copy_(torch.from_numpy(start.astype(np.float32)))


def _rows(
    texts: Sequence[LabelledText], name: str, tokenizer: Tokenizer, scoring: Scoring, window: int
) -> list[TextRow]:
    cut, rows = cut_of(window, 0, tokenizer), []
    places = {name: at for at, name in enumerate(scoring.names)}
    for number, one in enumerate(texts, start=1):
        try:
            tokenized = tokenize_text(one.text, tokenizer, cut)
        except InputError as error:
            raise InputError(
                f"text {number} of the {name} texts: {error.reason}; or a longer --window"
            ) from None
        inputs = [framed(tokenizer, content) for content in tokenized.windows]
        windows = tuple(np.stack([given["input_ids"][0], given["token_type_ids"][0]]) for given in inputs)
        truth = np.zeros(len(scoring.names), np.float32)
        truth[[places[label] for label in one.labels]] = 1
        rows.append(TextRow(windows, tuple(max(1, n) for n in tokenized.tokens), truth))
    return rows


def _truth(rows: Sequence[TextRow]) -> npt.NDArray[np.bool_]:
    return np.stack([row.truth for row in rows]) > 0


def _score(found: npt.NDArray[np.float32], rows: Sequence[TextRow], scoring: Scoring) -> float:
    """Accuracy, or the best micro F1 that one threshold for all labels can give."""
    truth = _truth(rows)
    if scoring.problem == "multi-label":
        return best_threshold(found, truth)[1]
    return float(np.mean(found.argmax(1) == truth.argmax(1)))


class _Run:
    """A model in training, with its optimizer, its schedule and the running mean of its weights."""

    def __init__(
        self, model: Any, scoring: Scoring, settings: TextSettings, rows: Sequence[TextRow], device: str
    ) -> None:
        self.model, self.scoring, self.settings = model, scoring, settings
        self.rows, self.device = rows, device
        steps = settings.epochs * len(list(_batches(rows, settings, 0)))
        plain = [p for p in model.parameters() if p.ndim < 2]
        matrices = [p for p in model.parameters() if p.ndim >= 2]
        groups = [{"params": matrices, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)
        warm = max(1, round(settings.warmup * steps))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm))),
        )
        self.weights = _class_weights(rows, scoring, settings).to(device)
        self.mean = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def epoch(self, number: int) -> float:
        """Run one epoch; returns the mean loss of its texts."""
        self.model.train()
        total = 0.0
        for batch in _batches(self.rows, self.settings, number):
            loss = self._loss(self._merged(batch), batch)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()
            self._mix()
            total += loss.item() * len(batch)
        return total / len(self.rows)

    def _logits(self, batch: Sequence[TextRow]) -> torch.Tensor:
        windows = [window for row in batch for window in row.windows]
        width = max(window.shape[1] for window in windows)
        padded = np.zeros((3, len(windows), width), np.int64)
        padded[0] = self.model.config.pad_token_id or 0
        for at, window in enumerate(windows):
            padded[:2, at, : window.shape[1]] = window
            padded[2, at, : window.shape[1]] = 1
        ids, types, mask = torch.from_numpy(padded).to(self.device)
        kinds = {"token_type_ids": types} if getattr(self.model.config, "type_vocab_size", 0) > 1 else {}
        with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16):
            logits = self.model(input_ids=ids, attention_mask=mask, **kinds).logits
        return logits.float()

    def _merged(self, batch: Sequence[TextRow]) -> torch.Tensor:
        """Logits of each text, or logarithms of its merged probabilities, (texts, c)."""
        logits = self._logits(batch)
        if self.scoring.scale == "probabilities":
            single = self.scoring.problem == "single-label"
            logits = logits.softmax(1) if single else logits.sigmoid()
        parts = logits.split([len(row.windows) for row in batch])
        return torch.stack([self._merge(part, row) for part, row in zip(parts, batch, strict=True)])

    def _merge(self, part: torch.Tensor, row: TextRow) -> torch.Tensor:
        if self.scoring.merge == "max":
            return part.max(0).values
        if self.scoring.merge == "first":
            return part[0]
        weights = torch.tensor(row.tokens, dtype=part.dtype, device=part.device)
        return (part * weights[:, None]).sum(0) / weights.sum()

    def _loss(self, merged: torch.Tensor, batch: Sequence[TextRow]) -> torch.Tensor:
        truth = torch.from_numpy(np.stack([row.truth for row in batch])).to(merged.device)
        logits = merged
        if self.scoring.scale == "probabilities":
            sure = merged.clamp(1e-6, 1 - 1e-6)
            logits = sure.log() if self.scoring.problem == "single-label" else sure.logit()
        if self.scoring.problem == "single-label":
            return functional.cross_entropy(logits, truth.argmax(1), weight=self.weights)
        return functional.binary_cross_entropy_with_logits(logits, truth, pos_weight=self.weights)

    def _mix(self) -> None:
        # A short memory at first: the mean must not remember the untrained classifier.
        step = self.schedule.last_epoch
        decay = min(self.settings.average, (1 + step) / (10 + step)) if self.settings.average else 0.0
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                if value.is_floating_point():
                    self.mean[name].lerp_(value, 1.0 - decay)

    def probabilities(self, rows: Sequence[TextRow]) -> npt.NDArray[np.float32]:
        """Scores of the labels, float32 (n, c), of the averaged weights, merged by the runtime's own function."""
        live = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.mean)
        self.model.eval()
        found = []
        with torch.inference_mode():
            for row in rows:
                logits = self._logits([row]).cpu().numpy()
                found.append(merge_logits(list(logits), row.tokens, self.scoring))
        self.model.load_state_dict(live)
        return np.stack(found) if found else np.zeros((0, len(self.scoring.names)), np.float32)


def _batches(rows: Sequence[TextRow], settings: TextSettings, epoch: int) -> Iterator[list[TextRow]]:
    """Texts of like length together, at most `batch_tokens` with their padding, in an order drawn again each epoch."""
    rng = np.random.default_rng((settings.seed, epoch))
    longest = [max(window.shape[1] for window in row.windows) for row in rows]
    order = np.argsort([length + rng.uniform(0, 24) for length in longest])
    batches: list[list[TextRow]] = []
    windows = width = 0
    for index in order:
        row = rows[index]
        windows, width = windows + len(row.windows), max(width, longest[index])
        if not batches or windows * width > settings.batch_tokens:
            batches.append([])
            windows, width = len(row.windows), longest[index]
        batches[-1].append(row)
    for at in rng.permutation(len(batches)):
        yield batches[at]


def _class_weights(rows: Sequence[TextRow], scoring: Scoring, settings: TextSettings) -> torch.Tensor:
    """Weight of each label, (c,): of a positive among its negatives, or of a class among the others."""
    if not settings.class_weights:
        return torch.ones(len(scoring.names))
    count = np.maximum(np.stack([row.truth for row in rows]).sum(0), 1)
    if scoring.problem == "multi-label":
        return torch.tensor(np.sqrt((len(rows) - count).clip(1) / count), dtype=torch.float32)
    return torch.tensor(np.sqrt(len(rows) / (len(count) * count)), dtype=torch.float32)


def _save(
    run: _Run, out: Path, scoring: Scoring, settings: TextSettings, thresholds: dict[str, float]
) -> None:
    run.model.config.clinspan = {
        "window": settings.window,
        "merge": scoring.merge,
        "scale": scoring.scale,
        "pairs": scoring.pairs,
        "thresholds": thresholds,
    }
    run.model.save_pretrained(out, state_dict=run.mean)
