"""`clinspan extract`: the entities of notes, of one or of a hundred thousand."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from clinspan.cli.console import DONE, FAILED, UsageError, write_stdout
from clinspan.cli.load_flags import add_load_flags, load
from clinspan.cli.pairs import split_pairs
from clinspan.engine.providers import CPU_PROVIDER
from clinspan.errors import InputError
from clinspan.extract.inputs.kinds import KINDS
from clinspan.extract.notes import Entry, ReadOptions, list_notes
from clinspan.extract.outcomes import Batch, Failure, Result, alone, outcomes
from clinspan.extract.output_formats import FORMATS, NOT_TEXT, RESUMES, Format, text_format
from clinspan.extract.results import ResultFile, ResultLine, read_result_lines
from clinspan.extract.writers import Write, brat_writer, parquet_writer, text_writer
from clinspan.text.decode import AGGREGATIONS, Threshold
from clinspan.textfiles import MAX_BYTES

# Failed notes that the report at the end names.
_NAMED = 5


def add_options(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument("--aggregation", choices=AGGREGATIONS, help="how tokens vote for a word's label")
    _add_output_options(parser)
    add_load_flags(parser)
    parser.set_defaults(run=run)


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


def run(options: argparse.Namespace) -> int:
    """Extract as the options say; returns the exit code.

    Raises:
        UsageError: the options contradict each other or the files.
        ClinspanError: a note failed and was not to be skipped, or the results cannot be written.
    """
    _check(options)
    threshold = _threshold(options.threshold)
    output = Path(options.output) if options.output else None
    reading = ReadOptions(
        options.text_field, options.id_field, options.max_note_bytes, exclude=output, kind=options.input
    )
    names = split_pairs(options.rename, "--rename", "OLD=NEW")
    batch = Batch(load(options), threshold, options.aggregation, names)
    batch.pipe(iter(()))  # refuses wrong options before a file is touched
    form = _format(options, batch)
    entries = list_notes(options.sources, reading)
    failed = _Failed()
    with _writer(options, output, form, lambda: _skip_done(output, entries, batch, failed, form)) as write:
        for outcome in _with_progress(outcomes(batch, entries), failed):
            if isinstance(outcome, Failure) and options.on_error == "stop":
                raise InputError(outcome.reason)
            write(outcome)
    _report(failed, reading.left_out, told=form.fail is not None)
    return FAILED if failed.count else DONE


def _check(options: argparse.Namespace) -> None:
    for source in options.sources:
        _check_source(source, options.output)
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
    if source != "-" and not path.exists():
        raise UsageError(f"{source} is neither a file nor a folder")
    if source != "-" and output is not None and Path(output).exists() and path.samefile(output):
        raise UsageError(f"--output {output} is also an input: writing would destroy the note")


def _threshold(values: Sequence[str]) -> Threshold:
    limits: dict[str, float] = {}
    for value in values:
        label, _, number = value.rpartition("=")
        try:
            limits[label] = float(number)
        except ValueError:
            raise UsageError(f"--threshold {value}: expected a number, or LABEL=number") from None
    if "" in limits and len(limits) > 1:
        raise UsageError("--threshold: give one number, or one for each label")
    return limits.get("", limits) if limits else 0.0


def _check_folder(output: Path, *, force: bool) -> None:
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is not a folder, and --format brat writes one")
    if output.is_dir() and any(output.iterdir()) and not force:
        raise UsageError(f"{output} is not empty: --force to write into it, or another --output")


def _format(options: argparse.Namespace, batch: Batch) -> Format:
    """Make the format, and refuse it where it has no place for a label of the model."""
    on_terminal = options.output is None and sys.stdout.isatty()
    colours = on_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    name = "csv" if options.format in NOT_TEXT else options.format
    form = text_format(name, with_text=options.with_text, on_terminal=on_terminal, colours=colours)
    labels = {batch.rename.get(label, label) for label in batch.recognizer.labels}
    if form.labels is not None and not labels <= form.labels:
        raise UsageError(
            f"--format {options.format} has no place for {', '.join(sorted(labels - form.labels))}: "
            f"--rename to some of {', '.join(sorted(form.labels))}"
        )
    return replace(form, fail=None) if options.format == "brat" else form


@contextmanager
def _writer(
    options: argparse.Namespace, output: Path | None, form: Format, skip_done: Callable[[], int]
) -> Iterator[Write]:
    if output is None:
        with text_writer(form, write_stdout) as write:
            yield write
    elif options.format in NOT_TEXT:
        with (brat_writer if options.format == "brat" else parquet_writer)(output) as write:
            yield write
    else:
        with ResultFile(output) as file:
            file.cut(skip_done() if options.resume else 0)
            with text_writer(form, file.write, begun=options.resume) as write:
                yield write


def _skip_done(
    output: Path | None, entries: Iterator[Entry], batch: Batch, failed: _Failed, form: Format
) -> int:
    """Skip the entries that an earlier run has done; returns the bytes of its complete lines.

    Raises:
        InputError: its results are not the first of those asked for now.
    """
    end = count = 0
    sample: tuple[Entry, ResultLine] | None = None
    assert output is not None  # _check saw to it
    for line in read_result_lines(output):
        entry = next(entries, None)
        if entry is None:
            raise InputError(f"{line.where}: {output} holds more results than there are notes")
        if entry.id != line.id:
            raise InputError(
                f"{line.where} is of the note {line.id!r}, and the note in its place is {entry.id!r}: "
                "--resume needs the same notes in the same order"
            )
        if line.error is not None:
            failed.add(Failure(line.id, line.error))
        elif line.spans or sample is None:
            sample = entry, line
        count, end = count + 1, line.end
    if sample is not None:
        _check_same(*sample, batch, form)
    print(f"clinspan: continuing after {_count(count, 'note')}", file=sys.stderr)
    return end


def _check_same(entry: Entry, line: ResultLine, batch: Batch, form: Format) -> None:
    """Read one note again, so that results of another model or other options do not get into the file."""
    # Batches on a GPU may differ in the last digits of a score.
    if batch.recognizer.report().provider != CPU_PROVIDER:
        return
    outcome = alone(batch, entry)
    if not isinstance(outcome, Result) or form.show(outcome) != line.line:
        raise InputError(
            f"{line.where}: its note has other results now: --resume needs the same model, options and notes"
        )


@dataclass(slots=True)
class _Failed:
    """How many notes failed, and the first of them."""

    count: int = 0
    first: list[Failure] = field(default_factory=list)

    def add(self, failure: Failure) -> None:
        self.count += 1
        if len(self.first) < _NAMED:
            self.first.append(failure)


def _report(failed: _Failed, left_out: Counter[str], *, told: bool) -> None:
    if left_out:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in left_out.most_common())
        print(
            f"clinspan: left out {_count(left_out.total(), 'file')} of other kinds: {kinds}", file=sys.stderr
        )
    if failed.count:
        also = ", as the output says too" if told else ", and the output has no place to say so"
        print(f"clinspan: {_count(failed.count, 'note')} failed{also}:", file=sys.stderr)
        for failure in failed.first:
            print(f"  {failure.id}: {failure.reason}", file=sys.stderr)
        if failed.count > len(failed.first):
            print(f"  and {failed.count - len(failed.first):,} more", file=sys.stderr)


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _with_progress(results: Iterable[Result | Failure], failed: _Failed) -> Iterator[Result | Failure]:
    """Count the notes, and show the count on a terminal once there are several."""
    shown = sys.stderr.isatty()
    began = last = time.monotonic()
    characters = count = 0
    try:
        for outcome in results:
            count += 1
            if isinstance(outcome, Failure):
                failed.add(outcome)
            else:
                characters += len(outcome.note.text)
            yield outcome
            now = time.monotonic()
            if shown and count > 1 and now - last > 0.2:
                last = now
                print(f"\r{_progress(count, failed.count, characters, now - began)}", end="", file=sys.stderr)
                sys.stderr.flush()
    finally:
        if shown and count > 1:
            print(file=sys.stderr)


def _progress(count: int, failed: int, characters: int, seconds: float) -> str:
    trouble = f", {failed:,} failed" if failed else ""
    return (
        f"{count:,} notes{trouble}, {count / seconds:,.0f} notes/s, {characters / seconds:,.0f} characters/s "
    )
