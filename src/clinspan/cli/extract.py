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
from typing import Any, TypeVar

from clinspan import __version__
from clinspan.bundle.integrity import record_file
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
from clinspan.extract.run_record import RunRecord
from clinspan.extract.writers import Write, brat_writer, parquet_writer, text_writer
from clinspan.recognizer import Recognizer

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
    record = RunRecord(output, _run_of(options, batch)) if output is not None and form.resumes else None

    def skip_done() -> int:
        assert record is not None  # `check` saw to it
        return _skip_done(record, entries, batch, failed, form)

    with _writer(options, output, form, skip_done, record) as write:
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
                        record.add(outcome)
                        write(outcome)

                    yield add


def _run_of(options: argparse.Namespace, batch: Batch) -> dict[str, Any]:
    """List what decides the results except for the notes."""
    report = batch.recognizer.report()
    given = ("format", "with_text", "assertion", "regimens", "max_characters", "reuse")
    return {
        "clinspan version": __version__,
        "library version": dict(report.versions),
        "model": _hashes(batch.recognizer),
        "precision": report.precision,
        "provider": report.provider,
        "window": [report.window, report.overlap],
        "threshold": batch.threshold if isinstance(batch.threshold, float) else dict(batch.threshold),
        "aggregation": batch.aggregation or report.aggregation,
        "rename": dict(batch.rename),
        **{name: getattr(options, name) for name in given},
    }


def _hashes(recognizer: Recognizer) -> list[str]:
    """Hash the model, its tokenizer and its labels; those that the bundle records are taken from there."""
    bundle = recognizer._bundle
    model = bundle.models[recognizer.report().precision]
    files = [file for file in (model, model.data, bundle.tokenizer) if file is not None]
    hashes = [file.sha256 or record_file(bundle.path, file.path).sha256 for file in files]
    return [*hashes, *recognizer.labels]


def _skip_done(
    record: RunRecord, entries: Iterator[Entry], batch: Batch, failed: Failed, form: Format
) -> int:
    """Skip the entries that an earlier run has done; returns the bytes of its complete lines.

    Raises:
        InputError: its results are not the first of those asked for now.
    """
    end = count = 0
    sample: tuple[Entry, ResultLine] | None = None
    digests = record.earlier()
    for line in read_result_lines(record.output):
        digest = next(digests, None)
        if digest is None:  # written last before a crash: done again
            break
        entry = next(entries, None)
        if entry is None:
            raise InputError(f"{line.where}: {record.output} holds more results than there are notes")
        if entry.id != line.id:
            raise InputError(
                f"{line.where} is of the note {line.id!r}, and the note in its place is {entry.id!r}: "
                "--resume needs the same notes in the same order"
            )
        if line.error is None and not record.is_of(digest, entry.read()):
            raise InputError(f"{line.where}: its note has another text now: --resume needs the same notes")
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
