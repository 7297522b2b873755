"""`clinspan evaluate`: measure a model on annotated documents, as the runtime runs it."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from clinspan.cli.console import write_text
from clinspan.cli.load_flags import add_load_flags, load
from clinspan.cli.pairs import split_pairs
from clinspan.documents.annotated import FORMATS, read_annotated
from clinspan.documents.find import find
from clinspan.documents.score_report import as_html, as_json, as_table
from clinspan.documents.scores import evaluate
from clinspan.errors import InputError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `clinspan evaluate`."""
    parser.add_argument(
        "--gold",
        required=True,
        metavar="PATH",
        help="annotated documents: AutoML or own .jsonl, CoNLL, BRAT folder",
    )
    parser.add_argument(
        "--gold-format", choices=FORMATS, help="default: recognised by the path and the first line"
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
        help="score this label; repeatable (default: all that are annotated)",
    )
    parser.add_argument(
        "--resamples",
        type=int,
        default=1000,
        help="bootstrap draws for the intervals; 0 leaves them out (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (%(default)s)")
    add_load_flags(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Evaluate as the options say, and print the scores.

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
        print(as_json(scores, {"gold": options.gold, "model": asdict(recognizer.report()), "map": names}))
    else:
        print(as_table(scores))
