"""`clinspan extract`: the entities of notes, of one or of a hundred thousand."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from clinspan.cli.console import DONE, FAILED, UsageError, write_stdout
from clinspan.cli.extract_options import add_extract_options, check
from clinspan.cli.load_flags import load
from clinspan.cli.runs.progress import Failed, count_notes, report, with_progress
from clinspan.cli.runs.resuming import facts_of, skip_done
from clinspan.cli.runs.run_options import read_options
from clinspan.cli.values import read_threshold, split_pairs
from clinspan.errors import InputError
from clinspan.extract.meaning import Asked
from clinspan.extract.notes import Entry, list_notes
from clinspan.extract.outcomes import Batch, Failure, Readable, Result, alone, outcomes
from clinspan.extract.output_formats import NOT_TEXT, Format, text_format
from clinspan.extract.results import ResultFile
from clinspan.extract.run_record import RunRecord
from clinspan.extract.writers import Write, brat_writer, parquet_writer, text_writer
from clinspan.texts import Text


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
    reading = read_options(options)
    names = split_pairs(options.rename, "--rename", "OLD=NEW")
    batch = Batch(load(options), threshold, options.aggregation, names, options.timeout)
    batch.pipe(iter(()))  # refuses wrong options before a file is touched
    form = _format(options, batch)
    entries = list_notes(options.sources, reading)
    failed = Failed()
    record = RunRecord(output, _run_of(options, batch)) if output is not None and form.resumes else None

    def skip() -> int:
        assert record is not None  # `check` saw to it
        provider = batch.recognizer.report().provider
        return skip_done(
            record, entries, failed, again=lambda one: _line_of(one, batch, form), provider=provider
        )

    with _writer(options, output, form, skip, record) as write:
        found = with_progress(
            outcomes(batch, entries), failed, lambda result: len(result.note.text),
            quiet=options.quiet, total=count_notes(options.sources, reading),
        )  # fmt: skip
        for outcome in found:
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
    options: argparse.Namespace,
    output: Path | None,
    form: Format,
    skip_done: Callable[[], int],
    record: RunRecord | None,
) -> Iterator[Write]:
    if output is None:
        with text_writer(form, write_stdout) as write:
            yield write
    elif options.format in NOT_TEXT:
        with (brat_writer if options.format == "brat" else parquet_writer)(output) as write:
            yield write
    else:
        with ResultFile(output) as file:
            end = skip_done() if options.resume else 0
            file.cut(end)
            with text_writer(form, file.write, begun=options.resume) as write:
                if record is None or not file.regular:
                    yield write
                    return
                with record.kept(again=end > 0):

                    def add(outcome: Result | Failure) -> None:
                        record.add(outcome.text if isinstance(outcome, Failure) else outcome.note.text)
                        write(outcome)

                    yield add


def _run_of(options: argparse.Namespace, batch: Batch) -> dict[str, Any]:
    """List what decides the results except for the notes."""
    given = ("format", "with_text", "assertion", "regimens", "reuse", "timeout")
    return {
        **facts_of(batch.recognizer, options.max_characters),
        "threshold": batch.threshold if isinstance(batch.threshold, float) else dict(batch.threshold),
        "aggregation": batch.aggregation or batch.recognizer.report().aggregation,
        "rename": dict(batch.rename),
        **{name: getattr(options, name) for name in given},
    }


def _line_of(entry: Readable[Text], batch: Batch, form: Format) -> str | None:
    """Read one note again, so that results of another model or other options do not get into the file."""
    # It was in time before: how long it takes now says nothing of its results.
    outcome = alone(replace(batch, timeout=None), cast(Entry, entry))
    return form.show(outcome) if isinstance(outcome, Result) else None
