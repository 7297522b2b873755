"""`clinspan evaluate`: measure a model on annotated documents, as the runtime runs it."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clinspan.classifier import Classifier
from clinspan.cli.console import UsageError, exists, named, say, write_stdout, write_text
from clinspan.cli.load_flags import add_load_flags, load, load_any
from clinspan.cli.reading_flags import DATA_HELP, add_reading_flags, reading_rules
from clinspan.cli.runs.progress import told
from clinspan.cli.runs.run_options import add_quiet
from clinspan.cli.texts.evaluate_texts import run_texts
from clinspan.cli.values import check_encoding, read_threshold, split_pairs
from clinspan.documents.annotated import FORMATS, read_annotated
from clinspan.documents.document import Document
from clinspan.documents.error_analysis.details import (
    Details,
    details_for_json,
    details_table,
    error_line,
    look_closer,
)
from clinspan.documents.error_analysis.error_page import as_html
from clinspan.documents.find import entities
from clinspan.documents.label_names import choose_labels, rename_gold
from clinspan.documents.reading import what_was_left_out
from clinspan.documents.score_report import as_json, as_table
from clinspan.documents.scores import Evaluation, evaluate
from clinspan.documents.suspects import WHITESPACE, count_suspects, many, trimmed
from clinspan.errors import InputError
from clinspan.recognizer import Recognizer
from clinspan.text.decode import AGGREGATIONS
from clinspan.textfiles import printable


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `clinspan evaluate`."""
    add = parser.add_argument
    add("--gold", required=True, metavar="PATH", help=DATA_HELP)
    add("--gold-format", choices=FORMATS, help="default: recognised by the path and the first line")
    add_reading_flags(parser)
    add("--format", choices=("table", "json"), default="table", help="how to write the scores")
    add(
        "--details", action="store_true",
        help="also tables of errors by kind, of confusions between labels, and of precision and recall over thresholds",
    )  # fmt: skip
    add("--html", metavar="OUT", help="also write a page with the errors in their text")
    mapped = "count a label of the model as one of the annotations; repeatable"
    add("--map", action="append", default=[], metavar="FOUND=ANNOTATED", help=mapped)
    renamed = "give a label of the annotations another name; repeatable"
    add("--map-gold", action="append", default=[], metavar="ANNOTATED=NAME", help=renamed)
    wanted = "score this label; repeatable (default: all that are annotated)"
    add("--label", action="append", metavar="NAME", help=wanted)
    less = "leave out spans that score less; repeatable per label of the model"
    add("--threshold", action="append", default=[], metavar="[LABEL=]P", help=less)
    add("--aggregation", choices=AGGREGATIONS, help="how tokens vote for a word's label")
    field = "of a classifier: field or column with the labels (default: label or labels)"
    add("--label-field", metavar="NAME", help=field)
    first = "of a classifier: read only the first window of each text"
    add("--truncate", action="store_true", help=first)
    drawn = "bootstrap draws for the intervals; 0 leaves them out (%(default)s)"
    add("--resamples", type=int, default=1000, help=drawn)
    add("--seed", type=int, default=0, help="of the bootstrap (%(default)s)")
    add_quiet(parser)
    add_load_flags(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Evaluate as the options say, and print the scores; what is odd about the data goes to standard error.

    Raises:
        UsageError: an option makes no sense.
        InputError: the annotated documents or a label cannot be used.
    """
    check_encoding(options.encoding)
    threshold = read_threshold(options.threshold)
    names = split_pairs(options.map, "--map", "FOUND=ANNOTATED")
    _check_gold(options.gold)
    model = None if options.model is None else load_any(options)
    if isinstance(model, Classifier):
        run_texts(options, model)
        return
    gold, notes = _gold(options)
    recognizer = model if isinstance(model, Recognizer) else load(options)
    choice = choose_labels(gold, recognizer.labels, rename=names, wanted=options.label)
    notes += choice.warnings
    for note in notes:
        say(f"clinspan: {note}")
    texts = (document.text for document in gold)
    found_in = recognizer.pipe(texts, threshold=threshold, aggregation=options.aggregation)
    spans = list(told(found_in, quiet=options.quiet, total=lambda: len(gold)))
    found = [entities(one, rename=names) for one in spans]
    scores = evaluate(gold, found, labels=choice.scored, resamples=options.resamples, seed=options.seed)
    details = look_closer(gold, found, [[span.score for span in one] for one in spans], scores.labels)
    result = _Result(scores, details, tuple(notes))
    if options.html:
        title = f"{recognizer.report().model} on {Path(options.gold).name}"
        write_text(Path(options.html), as_html(scores, details, gold, title=title))
    write_stdout(_shown(result, options, recognizer))


@dataclass(frozen=True, slots=True)
class _Result:
    """Scores, their details, and what is odd about the data."""

    scores: Evaluation
    details: Details
    notes: tuple[str, ...]


def _check_gold(path: str) -> None:
    if not exists(path):
        raise UsageError(f"--gold {named(path)}: no such file or folder")


def _gold(options: argparse.Namespace) -> tuple[list[Document], list[str]]:
    """Read the annotated documents; returns what is odd about them too, a line each."""
    rules = reading_rules(options)
    documents = list(read_annotated(options.gold, format=options.gold_format, rules=rules))
    if not documents:
        raise InputError(f"{options.gold}: no document to score")
    documents = rename_gold(documents, split_pairs(options.map_gold, "--map-gold", "ANNOTATED=NAME"))
    documents, cut = trimmed(documents)
    notes = [what_was_left_out(rules.left_out)] if what_was_left_out(rules.left_out) else []
    if cut:
        notes.append(f"{many(cut, WHITESPACE)}, scored without it")
    for reason, count in count_suspects(documents).items():
        notes.append(f"{many(count, reason)}, where no answer can match exactly")
    return documents, notes


def _shown(result: _Result, options: argparse.Namespace, recognizer: Recognizer) -> str:
    if options.format == "json":
        about: dict[str, Any] = {
            "gold": options.gold,
            "model": asdict(recognizer.report()),
            "map": split_pairs(options.map, "--map", "FOUND=ANNOTATED"),
            "map_gold": split_pairs(options.map_gold, "--map-gold", "ANNOTATED=NAME"),
            "notes": result.notes,
            **details_for_json(result.details),
        }
        return as_json(result.scores, about)
    parts = [as_table(result.scores), error_line(result.details)]
    if options.details:
        parts.append(f"\n{details_table(result.details)}")
    return printable("\n".join(parts))
