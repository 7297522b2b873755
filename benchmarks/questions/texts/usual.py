"""Fine-tune a classifier with transformers the usual way: every text cut at the model's length, one row a text.

    python -m benchmarks.questions.texts.usual CORPORA OUT [NAME ...]

The base, the epochs, the rate, the seed and the choice of the best epoch on dev are those of `recipes.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup

from benchmarks.questions.texts.recipes import RECIPES, Recipe, parse
from clinspan.documents.labelled import LabelledText, read_labelled
from clinspan_export.texts.thresholds import best_threshold
from clinspan_export.train.recipe import default_base

LONGEST = 512
BATCH_TOKENS = 2048


def train(recipe: Recipe, corpora: Path, out: Path, seed: int = 0) -> list[float]:
    """Train one model and keep its best epoch on dev in `out`; returns the score of each epoch."""
    torch.manual_seed(seed)
    rows, dev = (
        list(read_labelled(f"{corpora / recipe.data}_{part}.jsonl", label_field=recipe.field))
        for part in ("train", "dev")
    )
    names = sorted({label for row in rows for label in row.labels})
    several = "--multi-label" in recipe.options
    tokenizer = AutoTokenizer.from_pretrained(default_base())
    model = AutoModelForSequenceClassification.from_pretrained(
        default_base(),
        id2label=dict(enumerate(names)),
        label2id={name: at for at, name in enumerate(names)},
        problem_type=f"{'multi' if several else 'single'}_label_classification",
        attention_probs_dropout_prob=0.0,  # as in ours
        attn_implementation="eager",  # in training on a CPU faster than the fused one
        ignore_mismatched_sizes=True,
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=0.01)
    steps = recipe.epochs * len(list(batches(rows, tokenizer, seed, 0)))
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    scores: list[float] = []
    for epoch in range(recipe.epochs):
        model.train()
        for batch in batches(rows, tokenizer, seed, epoch):
            truth = torch.from_numpy(truths(batch, names))
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(**padded(batch, tokenizer)).logits
            if several:
                loss = functional.binary_cross_entropy_with_logits(logits.float(), truth)
            else:
                loss = functional.cross_entropy(logits.float(), truth.argmax(1))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        found, right = probabilities(model, tokenizer, dev), truths(dev, names) > 0
        score = (
            best_threshold(found, right)[1] if several else float(np.mean(found.argmax(1) == right.argmax(1)))
        )
        scores.append(score)
        print(f"epoch {epoch + 1}/{recipe.epochs} score {score:.4f}", file=sys.stderr, flush=True)
        if score == max(scores):
            model.save_pretrained(out)
            tokenizer.save_pretrained(out)
    return scores


def batches(
    rows: Sequence[LabelledText], tokenizer: Any, seed: int, epoch: int
) -> Iterator[list[LabelledText]]:
    """Texts of like length together, at most `BATCH_TOKENS` with padding, in an order drawn again each epoch."""
    rng = np.random.default_rng((seed, epoch))
    lengths = [
        min(LONGEST, len(ids))
        for ids in tokenizer(*columns(rows), truncation=False, verbose=False)["input_ids"]
    ]
    made: list[list[LabelledText]] = [[]]
    for at in np.argsort(np.array(lengths) + rng.uniform(0, 24, len(rows))):
        if made[-1] and (len(made[-1]) + 1) * lengths[at] > BATCH_TOKENS:
            made.append([])
        made[-1].append(rows[at])
    for number in rng.permutation(len(made)):
        yield made[number]


def columns(rows: Sequence[LabelledText]) -> list[list[str]]:
    """The texts, and the second ones of pairs."""
    if isinstance(rows[0].text, str):
        return [[str(row.text) for row in rows]]
    return [[row.text[side] for row in rows] for side in (0, 1)]


def padded(rows: Sequence[LabelledText], tokenizer: Any) -> Any:
    """Tensors of the rows, cut at the model's length."""
    return tokenizer(*columns(rows), truncation=True, max_length=LONGEST, padding=True, return_tensors="pt")


def truths(rows: Sequence[LabelledText], names: Sequence[str]) -> npt.NDArray[np.float32]:
    """float32 (n, c): 1 for each label that a text carries."""
    return np.array([[name in row.labels for name in names] for row in rows], np.float32)


def probabilities(model: Any, tokenizer: Any, rows: Sequence[LabelledText]) -> npt.NDArray[np.float32]:
    """float32 (n, c): probability of every label, one text at a time."""
    model.eval()
    several = model.config.problem_type == "multi_label_classification"
    found = []
    with torch.inference_mode():
        for row in rows:
            logits = model(**padded([row], tokenizer)).logits[0]
            found.append((logits.sigmoid() if several else logits.softmax(0)).numpy())
    return np.stack(found)


def main(arguments: Sequence[str]) -> int:
    """Train the models that are named, or all, one after the other."""
    options = parse(arguments, "python -m benchmarks.questions.texts.usual", __doc__)
    torch.set_num_threads(1)
    for name in options.names or RECIPES:
        print(f"{name}: {train(RECIPES[name], options.corpora, options.out / name)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
