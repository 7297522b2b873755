"""The options of `clinspan extract`, and what contradicts what among them."""

from __future__ import annotations

import argparse

from clinspan.cli.console import UsageError
from clinspan.cli.load_flags import add_load_flags
from clinspan.cli.runs.run_options import add_result_options, add_source_options, check_run
from clinspan.extract.output_formats import FORMATS, NOT_TEXT, RESUMES
from clinspan.text.decode import AGGREGATIONS


def add_extract_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `clinspan extract`."""
    add_source_options(parser)
    parser.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="[LABEL=]P",
        help="leave out spans that score less; repeatable per label",
    )
    parser.add_argument("--aggregation", choices=AGGREGATIONS, help="how tokens vote for a word's label")
    _add_output_options(parser)
    add_load_flags(parser)


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    kinds = "; ".join(f"{name}: {said}" for name, said in FORMATS.items())
    parser.add_argument(
        "-f",
        "--format",
        choices=FORMATS,
        default="table",
        metavar="NAME",
        help=f"how to write the spans. {kinds}",
    )
    parser.add_argument(
        "--with-text",
        action="store_true",
        help="with jsonl: also write the text that was read, to which offsets refer",
    )
    parser.add_argument(
        "--assertion",
        action="store_true",
        help="with table and jsonl: say of each span whether it is denied, doubted, past, planned, a relative's, or a "
        "drug stopped, and the words that say so",
    )
    parser.add_argument(
        "--regimens",
        action="store_true",
        help="with table and jsonl: put each drug together with its strength, form, route, dosage, frequency, duration",
    )
    parser.add_argument(
        "--rename", action="append", default=[], metavar="OLD=NEW",
        help="write another name for a label, such as one that the format has a place for; repeatable",
    )  # fmt: skip
    add_result_options(parser)


def check(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other or the files."""
    check_run(options, resumes=RESUMES, not_text=NOT_TEXT, folder=options.format == "brat")
    if options.with_text and options.format != "jsonl":
        raise UsageError("--with-text goes with --format jsonl")
    if (options.assertion or options.regimens) and options.format not in ("table", "jsonl"):
        raise UsageError("--assertion and --regimens go with --format table or jsonl")
