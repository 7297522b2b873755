"""Answers of a classifier's bundle beside transformers on the same weights, on texts with labels that fit one window.

    python -m benchmarks labels_kept CHECKPOINT BUNDLE TEST [--extra FILE] [--name NAME]      5 minutes for 500 pairs and MiniLM

TEST decides accuracy, F1 and the agreement of int8; the first texts of `--extra` only fill up the scores compared, to 500.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.run.record import save
from clinspan import Classifier
from clinspan.bundle.manifest import open_bundle
from clinspan.documents.label_scores.measures import measure_labels
from clinspan.documents.labelled import LabelledText, read_labelled

TEXTS = 500
Scores = npt.NDArray[np.float64]


def main(arguments: Sequence[str]) -> None:
    """Ask transformers and every precision of the bundle for the same texts, and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks labels_kept", description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("bundle")
    parser.add_argument("test")
    parser.add_argument("--extra", help="more texts with labels, such as those of dev")
    parser.add_argument("--usual", help="a checkpoint of the same base that was trained the usual way")
    parser.add_argument("--label-field", help="field that holds the labels")
    parser.add_argument("--name", default="labels_kept", help="of the file of results")
    options = parser.parse_args(arguments)
    test = list(read_labelled(options.test, label_field=options.label_field))
    more = read_labelled(options.extra, label_field=options.label_field) if options.extra else iter(())
    texts = [*test, *islice(more, max(0, TEXTS - len(test)))]
    bundle = open_bundle(options.bundle)
    with Classifier.load(options.bundle, threads=1) as loaded:
        names = loaded.labels
    answers = {"transformers_fp32": of_transformers(options.checkpoint, texts, names)}
    for precision in bundle.models:
        answers[f"clinspan_{precision}"] = of_bundle(options.bundle, precision, texts, bundle.max_window)
    if options.usual:
        answers["transformers_usual_training"] = of_transformers(options.usual, texts, names)
    reference, kept = answers["transformers_fp32"], answers["clinspan_fp32"][: len(test)].argmax(1)
    rows: list[dict[str, Any]] = []
    for variant, scores in answers.items():
        best = scores[: len(test)].argmax(1)
        found = measure_labels(
            np.array([[name in one.labels for name in names] for one in test]),
            scores[: len(test)],
            np.eye(len(names), dtype=np.bool_)[best],
            names,
            single=True,
        )
        rows.append(
            {
                "variant": variant,
                "accuracy": found.accuracy,
                "accuracy_interval": list(found.intervals["accuracy"]),
                "macro_f1": found.macro_f1,
                "calibration_error": found.calibration_error,
                "agreement_with_fp32": float(np.mean(best == kept)),
                "largest_score_change": float(np.abs(scores - reference).max()),
            }
        )
    settings = {
        "checkpoint": options.checkpoint,
        "bundle": options.bundle,
        "test": len(test),
        "compared": len(texts),
        "window": bundle.max_window,
    }
    save("labels_kept", rows, settings, name=options.name)


def of_transformers(checkpoint: str, texts: Sequence[LabelledText], names: Sequence[str]) -> Scores:
    """float64 (n, c): what the text-classification pipeline gives with `top_k=None`, one text at a time."""
    import torch
    from transformers import pipeline

    torch.set_num_threads(1)
    pipe = pipeline("text-classification", checkpoint, top_k=None, device="cpu")
    found = []
    for one in texts:
        given: Any = (
            one.text if isinstance(one.text, str) else {"text": one.text[0], "text_pair": one.text[1]}
        )
        answer = pipe(given)
        answer = answer[0] if isinstance(answer[0], list) else answer
        scores = {label["label"]: label["score"] for label in answer}
        found.append([scores[name] for name in names])
    return np.array(found, np.float64)


def of_bundle(bundle: str, precision: str, texts: Sequence[LabelledText], window: int) -> Scores:
    """float64 (n, c): what the runtime gives, in windows as long as the model reads."""
    found = []
    with Classifier.load(bundle, precision=precision, threads=1, window=window) as loaded:
        for answer in loaded.pipe(one.text for one in texts):
            scores = {one.label: one.score for one in answer}
            found.append([scores[name] for name in loaded.labels])
    return np.array(found, np.float64)
