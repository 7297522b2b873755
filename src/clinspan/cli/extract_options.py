"""The options of `clinspan extract`, and what contradicts what among them."""

from __future__ import annotations

import argparse
from pathlib import Path

from clinspan.cli.console import UsageError, exists, named
from clinspan.cli.load_flags import add_load_flags
from clinspan.cli.values import check_encoding
from clinspan.extract.inputs.kinds import KINDS
from clinspan.extract.output_formats import FORMATS, NOT_TEXT, RESUMES
from clinspan.text.decode import AGGREGATIONS
from clinspan.textfiles import MAX_BYTES


def add_extract_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `clinspan extract`."""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="PATH",
        help="text, JSON lines or array, CSV, TSV, Parquet, HL7 v2, C-CDA, HTML or RTF, .gz of these, a folder of "
        "notes, or - for standard input",
    )
    parser.add_argument(
        "--input", choices=KINDS, help="what the files hold; by default their names and contents say it"
    )
    parser.add_argument(
        "--text-field", default="text", help="field or column that holds the note (%(default)s)"
    )
    parser.add_argument("--id-field", default="id", help="field or column that names the note (%(default)s)")
    parser.add_argument(
        "--max-note-bytes",
        type=int,
        default=MAX_BYTES,
        metavar="N",
        help="largest text file or .jsonl line to read, decompressed (%(default)s)",
    )
    parser.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="[LABEL=]P",
        help="leave out spans that score less; repeatable per label",
    )
    parser.add_argument(
        "--encoding", metavar="NAME", help="of the notes, such as cp1252 or utf-16 (default: UTF-8)"
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
    parser.add_argument("-o", "--output", metavar="FILE", help="write here instead of to standard output")
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
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--resume",
        action="store_true",
        help="continue where an earlier run into the same --output ended; without one, start from the beginning",
    )
    again.add_argument("--force", action="store_true", help="overwrite an --output that is not empty")
    parser.add_argument(
        "--on-error",
        choices=("stop", "skip"),
        default="stop",
        help="at a note that cannot be read: stop; or write its error in its place, continue, and exit with 1",
    )


def check(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other or the files."""
    for source in options.sources:
        _check_source(source, options.output)
    check_encoding(options.encoding)
    if options.max_note_bytes < 1:
        raise UsageError(f"--max-note-bytes is {options.max_note_bytes}: expected at least 1")
    if options.resume and (options.output is None or options.format not in RESUMES):
        raise UsageError(
            f"--resume continues a file of JSON lines: it needs --output and --format {' or '.join(RESUMES)}"
        )
    if options.format in NOT_TEXT and options.output is None:
        raise UsageError(f"--format {options.format} needs --output: it is not text")
    if options.with_text and options.format != "jsonl":
        raise UsageError("--with-text goes with --format jsonl")
    if (options.assertion or options.regimens) and options.format not in ("table", "jsonl"):
        raise UsageError("--assertion and --regimens go with --format table or jsonl")
    if options.output is None:
        return
    output = Path(options.output)
    if options.resume and output.exists() and not output.is_file():
        raise UsageError(f"--resume continues a file, and {output} is not one")
    if options.format == "brat":
        _check_folder(output, force=options.force)
    elif not (options.resume or options.force) and output.is_file() and output.stat().st_size:
        again = "--resume to continue it, " if options.format in RESUMES else ""
        raise UsageError(f"{output} is not empty: {again}--force to overwrite it, or another --output")


def _check_source(source: str, output: str | None) -> None:
    path = Path(source)
    # A pipe will do as well as a file: <(zcat note.gz).
    if source != "-" and not exists(source):
        raise UsageError(f"{named(source)} is neither a file nor a folder")
    if source != "-" and output is not None and exists(output) and path.samefile(output):
        raise UsageError(f"--output {output} is also an input: writing would destroy the note")


def _check_folder(output: Path, *, force: bool) -> None:
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is not a folder, and --format brat writes one")
    if output.is_dir() and any(output.iterdir()) and not force:
        raise UsageError(f"{output} is not empty: --force to write into it, or another --output")
