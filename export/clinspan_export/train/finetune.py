"""Fine-tune an encoder on annotated documents: any Hugging Face encoder with a fast tokenizer, on a CPU or a GPU.

Documents of any length are cut into windows of the size the runtime uses, each epoch ends with exact-span F1 on the
development documents, the best epoch is what is saved, and a run that was stopped goes on where its last epoch ended.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import AddedToken
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from clinspan.documents.document import Document
from clinspan.documents.find import entities
from clinspan.documents.scores import evaluate
from clinspan.errors import InputError
from clinspan.pipeline import Cutting, RunWindow, find_spans
from clinspan.text.decode import Span, label_table
from clinspan.text.labels import detect
from clinspan.text.tokenizer import Tokenizer
from clinspan.textfiles import write_whole
from clinspan_export.checkpoint import LOSES_CASE, Trust, inspect, loses_case
from clinspan_export.quiet import Progress
from clinspan_export.train.plan_checks import STATE
from clinspan_export.train.settings import TrainingOutcome, TrainingSettings
from clinspan_export.train.windows import TrainingRow, bio_classes, check_known, encode
from clinspan_export.verify.compare import run_torch

logger = logging.getLogger(__name__)

Groups = Mapping[str, Sequence[Document]]


def finetune(
    train: Sequence[Document],
    development: Groups,
    base: str | Path,
    out: Path,
    *,
    labels: Sequence[str],
    settings: TrainingSettings,
    device: str = "cpu",
    resume: bool = False,
    keep_state: bool = True,
    progress: Progress = logger.info,
) -> TrainingOutcome:
    """Train on `train`, select on the mean F1 over the groups of `development`, save the best epoch in `out`.

    Args:
        train: documents; their `labels` say which absences are evidence.
        development: groups of documents by name, scored each on its own; may be empty, then the last epoch is saved.
        base: folder or Hub id of a Hugging Face encoder with a fast tokenizer.
        out: folder for the checkpoint and, while training, its state.
        labels: entity labels in the order their classes will have.
        settings: how to train.
        device: "cpu", "cuda" or another torch device.
        resume: go on from the state in `out`, if there is one; its settings must be the same.
        keep_state: write that state after each epoch: three times the model's size.
        progress: called with one line at a time.

    Raises:
        InputError: nothing to train on, an unknown label, or a state that other settings wrote.
    """
    # More than 40 lines with the options' documentation; the loop over epochs shares all that is made before it.
    torch.manual_seed(settings.seed)
    reader = AutoTokenizer.from_pretrained(base, use_fast=True)
    if loses_case(reader):
        progress(f"warning: {base}: {LOSES_CASE}")
    model = _model(base, bio_classes(labels)).to(device)
    if settings.line_ends:
        _learn_line_ends(model, reader)
    # The runtime's own reading of the tokenizer: what is trained on is what will be asked.
    reader.save_pretrained(out)
    tokenizer = Tokenizer(out / "tokenizer.json")
    rows = encode(train, tokenizer, labels, window=settings.window)
    if not rows:
        raise InputError("found no text to train on: the training documents are missing or all empty")
    for document in chain.from_iterable(development.values()):
        check_known(document, labels)
    steps = settings.epochs * sum(1 for _ in _batches(rows, settings, epoch=0))
    run = _Run(model, tokenizer, labels, settings, steps)
    scores = _restore(run, out) if resume else []
    for epoch in range(len(scores), settings.epochs):
        scores.append(_one_epoch(run, rows, development, epoch, progress))
        best = int(np.argmax(scores)) if development else epoch
        if best == epoch:
            run.save(out)
        if keep_state:
            run.keep(out / STATE, scores)
        if epoch - best >= settings.patience:
            progress(f"no better score for {settings.patience} epochs: stopped")
            break
    (out / STATE).unlink(missing_ok=True)
    best = int(np.argmax(scores)) if development else len(scores) - 1
    return TrainingOutcome(best + 1, scores[best], tuple(scores))


def _one_epoch(
    run: _Run, rows: Sequence[TrainingRow], development: Groups, epoch: int, progress: Progress
) -> float:
    """Train one epoch; returns the mean F1 over the groups, or minus the loss where there are no groups."""
    loss = run.epoch(_batches(rows, run.settings, epoch), progress)
    figures = {name: run.score(documents) for name, documents in development.items()}
    mean = float(np.mean(list(figures.values()))) if figures else -loss
    shown = " ".join(f"{name} {figure:.4f}" for name, figure in figures.items())
    progress(f"epoch {epoch + 1}/{run.settings.epochs} loss {loss:.4f} {shown} mean {mean:.4f}")
    return mean


def _model(base: str | Path, classes: Sequence[str]) -> PreTrainedModel:
    names = dict(enumerate(classes))
    numbers = {name: number for number, name in names.items()}
    inspect(str(base), Trust())
    config = AutoConfig.from_pretrained(base, id2label=names, label2id=numbers)
    if hasattr(config, "attention_probs_dropout_prob"):
        config.attention_probs_dropout_prob = 0.0  # lets torch fuse the attention: a fifth faster on a CPU
    return AutoModelForTokenClassification.from_pretrained(base, config=config, ignore_mismatched_sizes=True)


def _learn_line_ends(model: PreTrainedModel, reader: PreTrainedTokenizerBase) -> None:
    """Give a tokenizer that drops line ends a token for them; its embedding begins as that of the full stop."""
    if len(reader("a\nb", add_special_tokens=False).input_ids) > len(
        reader("a b", add_special_tokens=False).input_ids
    ):
        return
    stop = reader.convert_tokens_to_ids(".")
    reader.add_tokens([AddedToken("\n", normalized=False)])
    embeddings = model.resize_token_embeddings(len(reader), mean_resizing=False)
    with torch.no_grad():
        embeddings.weight[-1] = embeddings.weight[stop]


def _batches(
    rows: Sequence[TrainingRow], settings: TrainingSettings, epoch: int
) -> Iterator[list[TrainingRow]]:
    """Rows of like length together, at most `batch_tokens` with their padding, in an order drawn again each epoch."""
    rng = np.random.default_rng((settings.seed, epoch))
    order = np.argsort([len(row.ids) + rng.uniform(0, 12) for row in rows])
    batches: list[list[TrainingRow]] = [[]]
    for index in order:
        row, last = rows[index], batches[-1]
        if last and (len(last) + 1) * max(len(row.ids), len(last[0].ids)) > settings.batch_tokens:
            batches.append([])
        batches[-1].append(row)
    for index in rng.permutation(len(batches)):
        yield batches[index]


class _Run:
    """A model in training, with its optimizer, its schedule and the running mean of its weights."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Tokenizer,
        labels: Sequence[str],
        settings: TrainingSettings,
        steps: int,
    ) -> None:
        self.model, self.tokenizer, self.labels = model, tokenizer, labels
        self.settings, self.steps = settings, steps
        plain = [p for p in model.parameters() if p.ndim < 2]
        matrices = [p for p in model.parameters() if p.ndim >= 2]
        groups = [{"params": matrices, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
        warm = max(1, round(settings.warmup * steps))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm))),
        )
        self.mean = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def epoch(self, batches: Iterator[list[TrainingRow]], progress: Progress) -> float:
        """Run one epoch; returns the mean loss of its batches."""
        self.model.train()
        losses = []
        for batch in batches:
            ids, mask, allowed = (tensor.to(self.model.device) for tensor in _tensors(batch))
            with torch.autocast(self.model.device.type, dtype=torch.bfloat16):
                logits = self.model(input_ids=ids, attention_mask=mask).logits
            loss = _loss(logits.float(), allowed)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()
            self._mix()
            losses.append(loss.item())
            if len(losses) % 100 == 0:
                progress(f"step {self.schedule.last_epoch}/{self.steps} loss {np.mean(losses[-100:]):.4f}")
        return float(np.mean(losses))

    def _mix(self) -> None:
        # A short memory at first: the mean must not remember the untrained classifier.
        step = self.schedule.last_epoch
        decay = min(self.settings.average, (1 + step) / (10 + step)) if self.settings.average else 0.0
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                if value.is_floating_point():
                    self.mean[name].lerp_(value, 1.0 - decay)

    def score(self, documents: Sequence[Document]) -> float:
        """Score the averaged weights as `exact_f1` does."""
        live = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.mean)
        with torch.autocast(self.model.device.type, dtype=torch.bfloat16):
            figure = exact_f1(self.model, self.tokenizer, documents, self.labels, self.settings.window)
        self.model.load_state_dict(live)
        return figure

    def save(self, out: Path) -> None:
        self.model.save_pretrained(out, state_dict=self.mean)

    def keep(self, path: Path, scores: Sequence[float]) -> None:
        state = {
            "model": self.model.state_dict(), "mean": self.mean, "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.last_epoch, "scores": list(scores), "settings": asdict(self.settings),
            "random": torch.get_rng_state(),
        }  # fmt: skip
        with write_whole(path) as made:
            torch.save(state, made)


def exact_f1(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    documents: Sequence[Document],
    labels: Sequence[str],
    window: int,
) -> float:
    """Exact-span micro F1, read as the runtime reads, over the labels that each document's annotators looked for."""
    model.eval()
    found = [
        entities(spans)
        for spans in read_spans(partial(run_torch, model, tokenizer), tokenizer, documents, labels, window)
    ]
    return evaluate(documents, found, labels=labels, resamples=0).micro["exact"].f1


def read_spans(
    run: RunWindow, tokenizer: Tokenizer, documents: Sequence[Document], labels: Sequence[str], window: int
) -> Iterator[list[Span]]:
    """Find the spans of each document as the runtime does, with logits of a BIO scheme over `labels` from `run`."""
    table = label_table(detect(bio_classes(labels), scheme="BIO", outside="O"))
    for document in documents:
        yield find_spans(document.text, tokenizer, run, Cutting(window), table, aggregation="first")


def _restore(run: _Run, out: Path) -> list[float]:
    """Go on from the state in a folder, if there is one; returns the scores of its epochs."""
    path = out / STATE
    if not path.exists():
        return []
    state: dict[str, Any] = torch.load(path, map_location=run.model.device, weights_only=True)
    if state["settings"] != asdict(run.settings):
        raise InputError(
            f"{path} was written with other settings, {state['settings']}: use them, or another folder"
        )
    run.model.load_state_dict(state["model"])
    run.mean = state["mean"]
    run.optimizer.load_state_dict(state["optimizer"])
    run.schedule.last_epoch = state["schedule"]
    torch.set_rng_state(state["random"].cpu())
    scores: list[float] = state["scores"]
    return scores


def _tensors(batch: Sequence[TrainingRow]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids and mask, int64 (b, t), and allowed classes, bool (b, t, c), of some rows."""
    length = max(len(row.ids) for row in batch)
    ids = torch.zeros(len(batch), length, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    allowed = torch.zeros(len(batch), length, batch[0].allowed.shape[1], dtype=torch.bool)
    for number, row in enumerate(batch):
        ids[number, : len(row.ids)] = torch.from_numpy(row.ids)
        mask[number, : len(row.ids)] = 1
        allowed[number, : len(row.ids)] = torch.from_numpy(row.allowed)
    return ids, mask, allowed


def _loss(logits: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Mean over word-starting tokens of -log p(one of the allowed classes).

    Args:
        logits: float32 (b, t, c).
        allowed: bool (b, t, c).
    """
    counted = allowed.any(-1)
    logits, allowed = logits[counted], allowed[counted]
    right = logits.masked_fill(~allowed, -math.inf).logsumexp(-1)
    return (logits.logsumexp(-1) - right).mean()
