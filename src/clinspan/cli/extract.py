"""`clinspan extract`: the entities of notes, of one or of a hundred thousand."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from clinspan.cli.console import DONE, FAILED, UsageError, say, write_stdout
from clinspan.cli.extract_options import add_extract_options, check
from clinspan.cli.load_flags import load
from clinspan.cli.values import read_threshold, split_pairs
from clinspan.engine.providers import CPU_PROVIDER
from clinspan.errors import InputError
from clinspan.extract.meaning import Asked
from clinspan.extract.notes import Entry, ReadOptions, list_notes
from clinspan.extract.outcomes import Batch, Failure, Result, alone, outcomes
from clinspan.extract.output_formats import NOT_TEXT, Format, text_format
from clinspan.extract.results import ResultFile, ResultLine, read_result_lines
from clinspan.extract.writers import Write, brat_writer, parquet_writer, text_writer

R = TypeVar("R")

# Failed notes that the report at the end names.
_NAMED = 5


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `clinspan extract`."""
    add_extract_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Extract as the options say; returns the exit code.

    Raises:
        UsageError: the options contradict each other or the files.
        ClinspanError: a note failed and was not to be skipped, or the results cannot be written.
    """
    check(options)
    threshold = read_threshold(options.threshold)
    output = Path(options.output) if options.output else None
    reading = ReadOptions(
        options.text_field,
        options.id_field,
        options.max_note_bytes,
        exclude=output,
        kind=options.input,
        encoding=options.encoding,
    )
    names = split_pairs(options.rename, "--rename", "OLD=NEW")
    batch = Batch(load(options), threshold, options.aggregation, names)
    batch.pipe(iter(()))  # refuses wrong options before a file is touched
    form = _format(options, batch)
    entries = list_notes(options.sources, reading)
    failed = Failed()
    with _writer(options, output, form, lambda: _skip_done(output, entries, batch, failed, form)) as write:
        for outcome in with_progress(outcomes(batch, entries), failed, lambda result: len(result.note.text)):
            if isinstance(outcome, Failure) and options.on_error == "stop":
                raise InputError(outcome.reason)
            write(outcome)
    report(failed, reading.left_out, told=form.fail is not None)
    return FAILED if failed.count else DONE


def _format(options: argparse.Namespace, batch: Batch) -> Format:
    """Make the format, and refuse it where it has no place for a label of the model."""
    on_terminal = options.output is None and sys.stdout is not None and sys.stdout.isatty()
    colours = on_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    name = "csv" if options.format in NOT_TEXT else options.format
    asked = Asked(options.assertion, options.regimens)
    form = text_format(
        name, with_text=options.with_text, asked=asked, on_terminal=on_terminal, colours=colours
    )
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
    output: Path | None, entries: Iterator[Entry], batch: Batch, failed: Failed, form: Format
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
    say(f"clinspan: continuing after {counted(count, 'note')}")
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
class Failed:
    """How many notes failed, and the first of them."""

    count: int = 0
    first: list[Failure] = field(default_factory=list)

    def add(self, failure: Failure) -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < _NAMED:
            self.first.append(failure)


def report(failed: Failed, left_out: Counter[str], *, told: bool) -> None:
    """Say at the end which notes failed and which files were left out; `told` where the output says it too."""
    if left_out:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in left_out.most_common())
        say(f"clinspan: left out {counted(left_out.total(), 'file')} of other kinds: {kinds}")
    if failed.count:
        also = ", as the output says too" if told else ", and the output has no place to say so"
        say(f"clinspan: {counted(failed.count, 'note')} failed{also}:")
        for failure in failed.first:
            say(f"  {failure.id}: {failure.reason}")
        if failed.count > len(failed.first):
            say(f"  and {failed.count - len(failed.first):,} more")


def counted(number: int, thing: str) -> str:
    """Say a number of things."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def with_progress(
    results: Iterable[R | Failure], failed: Failed, length: Callable[[R], int]
) -> Iterator[R | Failure]:
    """Count the notes, and show the count on a terminal once there are several; `length` is in characters."""
    shown = sys.stderr is not None and sys.stderr.isatty()
    began = last = time.monotonic()
    characters = count = 0
    try:
        for outcome in results:
            count += 1
            if isinstance(outcome, Failure):
                failed.add(outcome)
            else:
                characters += length(outcome)
            yield outcome
            now = time.monotonic()
            if shown and count > 1 and now - last > 0.2:
                last = now
                say(_progress(count, failed.count, characters, now - began), end="")
    finally:
        if shown and count > 1:
            say("")


def _progress(count: int, failed: int, characters: int, seconds: float) -> str:
    trouble = f", {failed:,} failed" if failed else ""
    return (
        f"{count:,} notes{trouble}, {count / seconds:,.0f} notes/s, {characters / seconds:,.0f} characters/s "
    )
