"""Train a smaller model on a larger one's own logits over notes that nobody annotated.

The student is a pruned copy of its teacher, or a copy of some of its layers. Its loss is the divergence of its answers
from the teacher's, softened, token by token (Hinton et al. 2015, "Distilling the Knowledge in a Neural Network",
arXiv:1503.02531).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from clinspan.documents.document import Document
from clinspan.textfiles import write_whole
from clinspan_export import checkpoint as checkpoints
from clinspan_export.checkpoint import Checkpoint, Trust
from clinspan_export.errors import ExportError
from clinspan_export.quiet import Progress, quiet
from clinspan_export.train.settings import at_least_one
from clinspan_export.train.windows import token_windows


@dataclass(frozen=True, slots=True)
class Distilling:
    """How to train on a teacher's logits.

    Attributes:
        steps: updates.
        batch: windows that an update reads.
        learning_rate: highest rate; it rises for a tenth of the steps and falls to zero.
        temperature: softens both answers, so that unlikely labels count as well.
        device: "cpu", "cuda" or another torch device.
        seed: of the order of windows.
    """

    steps: int = 400
    batch: int = 4
    learning_rate: float = 5e-5
    temperature: float = 2.0
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        at_least_one("steps", self.steps)
        at_least_one("batch", self.batch)


def recover(
    pruned: Checkpoint, notes: Sequence[Document], progress: Progress, how: Distilling | None = None
) -> Checkpoint:
    """Train a pruned checkpoint towards the original it came from.

    Raises:
        ExportError: the notes hold no text.
    """
    how = how or Distilling()
    teach(pruned.original, pruned.model, _rows(pruned, notes), how, progress)
    record = {**pruned.pruned, "recovered": {"steps": how.steps, "batch": how.batch, "notes": len(notes)}}
    return replace(pruned, pruned=record)


def distil(
    teacher: str,
    out: Path,
    notes: Sequence[Document],
    *,
    layers: int,
    how: Distilling | None = None,
    trust: Trust | None = None,
    progress: Progress = lambda _: None,
) -> None:
    """Make a student of some of a teacher's layers, and train it on the teacher's logits.

    Args:
        teacher: folder or Hub id of a token classification checkpoint.
        out: folder for the student's checkpoint, to be made.
        notes: text that the student should read well; annotations are not used.
        layers: of the student; they begin as copies of layers of the teacher, evenly spread.
        how: None for the default.
        trust: as in `export`.
        progress: told how far it is.

    Raises:
        ExportError: the teacher has fewer layers, `out` exists, or the notes hold no text.
    """
    if out.exists():
        raise ExportError(f"{out} exists already: choose another folder")
    loaded = checkpoints.load(teacher, trust)
    if loaded.crf is not None:
        raise ExportError(
            f"{teacher} has a CRF, which a student would lose: only a model without one is distilled"
        )
    student = _student(loaded.model, layers)
    teach(loaded.model, student, _rows(loaded, notes), how or Distilling(), progress)
    with write_whole(out) as made, quiet():
        student.save_pretrained(made)
        loaded.tokenizer.save_pretrained(made)


def teach(
    teacher: Any, student: Any, rows: Sequence[NDArray[np.int64]], how: Distilling, progress: Progress
) -> None:
    """Train a student in place; both end in evaluation mode, on the CPU."""
    teacher.eval().to(how.device)
    # Without dropout: the teacher's answers leave nothing to overfit to.
    student.eval().to(how.device).requires_grad_(True)
    optimizer = torch.optim.AdamW(student.parameters(), lr=how.learning_rate, weight_decay=0.01)
    warm = max(1, how.steps // 10)
    losses = []
    answers = _Answers(teacher, rows, how.device)
    for step, chosen in zip(range(how.steps), _batches(len(rows), how), strict=False):
        rate = min((step + 1) / warm, (how.steps - step) / max(1, how.steps - warm))
        for group in optimizer.param_groups:
            group["lr"] = how.learning_rate * rate
        ids, mask = _padded([rows[number] for number in chosen], how.device)
        wanted = torch.cat([answers.of(number) for number in chosen])
        with torch.autocast(how.device.partition(":")[0], dtype=torch.bfloat16):
            logits = student(input_ids=ids, attention_mask=mask).logits
        loss = _divergence(logits.float()[mask == 1], wanted, how.temperature)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % 50 == 0:
            progress(f"step {step + 1}/{how.steps} divergence {np.mean(losses[-50:]):.4f}")
    teacher.cpu()
    student.cpu()


def _rows(loaded: Checkpoint, notes: Sequence[Document]) -> list[NDArray[np.int64]]:
    found = list(token_windows(loaded, (note.text for note in notes)))
    if not found:
        raise ExportError("the notes to train on hold no text")
    return found


def _divergence(found: torch.Tensor, wanted: torch.Tensor, temperature: float) -> torch.Tensor:
    """Mean divergence of the softened answers, from logits float32 (n, c) of n tokens."""
    return temperature**2 * nn.functional.kl_div(
        (found / temperature).log_softmax(-1),
        (wanted / temperature).log_softmax(-1),
        reduction="batchmean",
        log_target=True,
    )


class _Answers:
    """The teacher's logits of each window, worked out when it is first read, which saves half of the time of an update."""

    def __init__(self, teacher: Any, rows: Sequence[NDArray[np.int64]], device: str) -> None:
        self._teacher, self._rows, self._device = teacher, rows, device
        self._kept: dict[int, torch.Tensor] = {}

    def of(self, number: int) -> torch.Tensor:
        """Logits of a window, float32 (t, c)."""
        if number not in self._kept:
            ids, mask = _padded([self._rows[number]], self._device)
            with torch.no_grad(), torch.autocast(self._device.partition(":")[0], dtype=torch.bfloat16):
                self._kept[number] = self._teacher(input_ids=ids, attention_mask=mask).logits[0].float()
        return self._kept[number]


def _batches(windows: int, how: Distilling) -> Iterator[list[int]]:
    """Numbers of windows in an order drawn again on each pass, without end."""
    random = np.random.default_rng(how.seed)
    while True:
        order = random.permutation(windows).tolist()
        for start in range(0, windows, how.batch):
            yield order[start : start + how.batch]


def _padded(rows: Sequence[NDArray[np.int64]], device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask of some windows, int64 (b, t)."""
    given = [torch.from_numpy(row) for row in rows]
    ids = nn.utils.rnn.pad_sequence(given, batch_first=True)
    mask = nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in given], batch_first=True)
    return ids.to(device), mask.to(device)


def _student(teacher: Any, count: int) -> Any:
    """A copy of a model with some of its layers."""
    at_least_one("layers", count)
    student = copy.deepcopy(teacher)
    for parent in student.modules():
        for name, child in parent.named_children():
            if name in ("layer", "layers") and isinstance(child, nn.ModuleList):
                if count >= len(child):
                    raise ExportError(f"the teacher has {len(child)} layers: expected fewer for the student")
                # The last layer stays the last: the classifier was trained on it.
                chosen = np.rint(np.linspace(len(child) / count, len(child), count)).astype(int) - 1
                setattr(parent, name, nn.ModuleList(child[int(number)] for number in chosen))
                names = getattr(student.config, "attribute_map", {})
                setattr(student.config, names.get("num_hidden_layers", "num_hidden_layers"), count)
                return student
    raise ExportError(f"{teacher.config.model_type} models keep their layers where this cannot find them")
