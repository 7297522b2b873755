"""The options of the commands that read many notes, and what contradicts what among them."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from pathlib import Path

from clinspan.cli.console import UsageError, exists, named
from clinspan.cli.values import check_encoding
from clinspan.extract.inputs.kinds import KINDS
from clinspan.extract.notes import ReadOptions
from clinspan.textfiles import MAX_BYTES


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Add what says where the notes are, how they are read, and how long one may take."""
    add = parser.add_argument
    add(
        "sources",
        nargs="+",
        metavar="PATH",
        help="text, JSON lines or array, CSV, TSV, Parquet, HL7 v2, C-CDA, HTML or RTF, .gz of these, a folder of "
        "notes, or - for standard input",
    )
    add("--input", choices=KINDS, help="what the files hold; by default their names and contents say it")
    add("--text-field", default="text", help="field or column that holds the note (%(default)s)")
    add("--id-field", default="id", help="field or column that names the note (%(default)s)")
    limit = "largest text file or .jsonl line to read, decompressed (%(default)s)"
    add("--max-note-bytes", type=int, default=MAX_BYTES, metavar="N", help=limit)
    add("--encoding", metavar="NAME", help="of the notes, such as cp1252 or utf-16 (default: UTF-8)")
    late = "after so long no further window of a note is started, and it has failed; notes are then read one after another"
    add("--timeout", type=float, metavar="SECONDS", help=late)


def add_result_options(parser: argparse.ArgumentParser) -> None:
    """Add what says where the results go, and what becomes of earlier ones and of failed notes."""
    parser.add_argument("-o", "--output", metavar="FILE", help="write here instead of to standard output")
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--resume",
        action="store_true",
        help="continue where an earlier run into the same --output ended; without one, start from the beginning",
    )
    again.add_argument("--force", action="store_true", help="overwrite an --output that is not empty")
    add_quiet(parser)
    parser.add_argument(
        "--on-error",
        choices=("stop", "skip"),
        default="stop",
        help="at a note that cannot be read: stop; or write its error in its place, continue, and exit with 1",
    )


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add what turns the lines of progress off."""
    parser.add_argument("--quiet", action="store_true", help="do not say how far the notes are")


def check_run(
    options: argparse.Namespace, *, resumes: Collection[str], not_text: Collection[str], folder: bool = False
) -> None:
    """Refuse options that contradict each other or the files.

    Args:
        options: as parsed.
        resumes: formats that a later run can continue.
        not_text: formats that need a file.
        folder: whether the output is a folder.

    Raises:
        UsageError: as said.
    """
    for source in options.sources:
        _check_source(source, options.output)
    check_encoding(options.encoding)
    if options.max_note_bytes < 1:
        raise UsageError(f"--max-note-bytes is {options.max_note_bytes}: expected at least 1")
    if options.timeout is not None and not options.timeout > 0:
        raise UsageError(f"--timeout is {options.timeout:g}: expected seconds, more than 0")
    if options.resume and (options.output is None or options.format not in resumes):
        raise UsageError(
            f"--resume continues a file of JSON lines: it needs --output and --format {' or '.join(resumes)}"
        )
    if options.format in not_text and options.output is None:
        raise UsageError(f"--format {options.format} needs --output: it is not text")
    if options.output is None:
        return
    output = Path(options.output)
    if options.resume and output.exists() and not output.is_file():
        raise UsageError(f"--resume continues a file, and {output} is not one")
    if folder:
        _check_folder(output, force=options.force)
    elif not (options.resume or options.force) and output.is_file() and output.stat().st_size:
        again = "--resume to continue it, " if options.format in resumes else ""
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


def read_options(options: argparse.Namespace, *, second_field: str | None = None) -> ReadOptions:
    """How the options say that notes are read; the results are not read, even where they lie among the notes."""
    return ReadOptions(
        options.text_field,
        options.id_field,
        options.max_note_bytes,
        exclude=Path(options.output) if options.output else None,
        kind=options.input,
        encoding=options.encoding,
        second_field=second_field,
    )
