"""`clinspan evaluate`: measure a model on annotated documents, through the runtime itself."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from clinspan.cli.base import Load, split_pairs, write_text
from clinspan.documents.annotated import FORMATS, read_annotated
from clinspan.documents.find import find
from clinspan.documents.score_report import as_html, as_json, as_table
from clinspan.documents.scores import evaluate
from clinspan.errors import InputError


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `clinspan evaluate`, those of the model aside."""
    parser.add_argument(
        "--gold",
        required=True,
        metavar="PATH",
        help="annotated documents: AutoML or own .jsonl, CoNLL, BRAT folder",
    )
    parser.add_argument(
        "--gold-format", choices=FORMATS, help="told by the path and the first line otherwise"
    )
    parser.add_argument(
        "--format", choices=("table", "json"), default="table", help="how to write the scores"
    )
    parser.add_argument("--html", metavar="OUT", help="also write a page with the errors in their text")
    parser.add_argument(
        "--map", action="append", default=[], metavar="FOUND=ANNOTATED",
        help="count a label of the model as one of the annotations; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--label",
        action="append",
        metavar="NAME",
        help="score this label; repeatable; all annotated ones otherwise",
    )
    parser.add_argument(
        "--resamples", type=int, default=1000, help="bootstrap draws behind the intervals; 0 for none"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")


def run(options: argparse.Namespace, load: Load) -> str:
    """Evaluate as the options say; returns the scores to print.

    Raises:
        InputError: the annotated documents or an option cannot be used.
    """
    names = split_pairs(options.map, "--map", "FOUND=ANNOTATED")
    gold = list(read_annotated(options.gold, format=options.gold_format))
    if not gold:
        raise InputError(f"{options.gold}: no document to score")
    recognizer = load(options)
    found = find(recognizer, gold, rename=names)
    scores = evaluate(gold, found, labels=options.label, resamples=options.resamples, seed=options.seed)
    if options.html:
        title = f"{recognizer.report().model} on {Path(options.gold).name}"
        write_text(Path(options.html), as_html(scores, gold, found, title=title))
    if options.format == "json":
        return as_json(scores, {"gold": options.gold, "model": asdict(recognizer.report()), "map": names})
    return as_table(scores)
