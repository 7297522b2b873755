"""`clinspan classify` and `clinspan embed`: labels or a vector of each note, of one or of a hundred thousand."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinspan.classifier import Classifier
from clinspan.cli.console import DONE, FAILED, UsageError, say, write_stdout
from clinspan.cli.extract import Failed, counted, report, with_progress
from clinspan.cli.load_flags import add_load_flags, load_classifier, load_embedder
from clinspan.cli.values import read_threshold
from clinspan.embedder import Embedder
from clinspan.engine.providers import CPU_PROVIDER
from clinspan.errors import InputError
from clinspan.extract.inputs.kinds import KINDS
from clinspan.extract.notes import ReadOptions
from clinspan.extract.outcomes import Answered, Failure, Readable, alone_of, outcomes_of
from clinspan.extract.results import ResultFile, read_result_lines
from clinspan.extract.text_results import list_texts, shown, vector_file
from clinspan.textfiles import MAX_BYTES
from clinspan.texts import Text

# Formats of each command, the first by default.
_FORMATS = {"classify": ("table", "jsonl"), "embed": ("jsonl", "npy")}
_BLANK = "Fever."

Outcome = Answered[Text, Any] | Failure


@dataclass(frozen=True, slots=True)
class _Command:
    """A command under way: its model, what asks it, and how results are written."""

    model: Classifier | Embedder
    pipe: Callable[[Iterator[Text]], Iterator[Any]]
    show: Callable[[Outcome], str]
    blank: Text


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command that `parser` is for."""
    name = parser.prog.rpartition(" ")[2]
    add = parser.add_argument
    sources = "files and folders as `clinspan extract` reads them, or - for standard input"
    add("sources", nargs="+", metavar="PATH", help=sources)
    add("--input", choices=KINDS, help="what the files hold; by default their names and contents say it")
    add("--text-field", default="text", help="field or column that holds the text (%(default)s)")
    add("--id-field", default="id", help="field or column that names it (%(default)s)")
    limit = "largest text file or .jsonl line to read, decompressed (%(default)s)"
    add("--max-note-bytes", type=int, default=MAX_BYTES, metavar="N", help=limit)
    add("--encoding", metavar="NAME", help="of the files, such as cp1252 or utf-16 (default: UTF-8)")
    add("--truncate", action="store_true", help="read the first window of each text only")
    if name == "classify":
        add(
            "--pair-field",
            metavar="NAME",
            help="field or column with a second text that is read with the first",
        )
        least = "leave out labels that score less; repeatable per label"
        add("--threshold", action="append", default=[], metavar="[LABEL=]P", help=least)
    else:
        add(
            "--normalize",
            action="store_true",
            help="bring every vector to length 1, also where the model does not",
        )
    add("-f", "--format", choices=_FORMATS[name], default=_FORMATS[name][0], help="how to write the results")
    add("-o", "--output", metavar="FILE", help="write here instead of to standard output")
    again = parser.add_mutually_exclusive_group()
    more = "continue where an earlier run into the same --output ended; without one, start from the beginning"
    again.add_argument("--resume", action="store_true", help=more)
    again.add_argument("--force", action="store_true", help="overwrite an --output that is not empty")
    failing = (
        "at a text that cannot be read: stop; or write its error in its place, continue, and exit with 1"
    )
    add("--on-error", choices=("stop", "skip"), default="stop", help=failing)
    add_load_flags(parser)
    parser.set_defaults(run=lambda options: run(options, name))


def run(options: argparse.Namespace, name: str) -> int:
    """Classify or embed as the options say; returns the exit code.

    Raises:
        UsageError: the options contradict each other or the files.
        ClinspanError: a text failed and was not to be skipped, or the results cannot be written.
    """
    _check(options)
    output = Path(options.output) if options.output else None
    reading = ReadOptions(
        options.text_field,
        options.id_field,
        options.max_note_bytes,
        exclude=output,
        kind=options.input,
        encoding=options.encoding,
    )
    command = (_classify if name == "classify" else _embed)(options)
    command.pipe(iter(()))  # refuses wrong options before a file is touched
    entries = list_texts(options.sources, reading, getattr(options, "pair_field", None))
    failed = Failed()
    with _writer(options, output, command, lambda: _skip_done(output, entries, command, failed)) as write:
        found = outcomes_of(command.pipe, entries, blank=command.blank, trial=command.blank)
        for outcome in with_progress(found, failed, lambda one: sum(map(len, _parts(one.text)))):
            if isinstance(outcome, Failure) and options.on_error == "stop":
                raise InputError(outcome.reason)
            write(outcome)
    report(failed, reading.left_out, told=True)
    return FAILED if failed.count else DONE


def _parts(text: Text) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


def _check(options: argparse.Namespace) -> None:
    for source in options.sources:
        path = Path(source)
        if source != "-" and not path.exists():
            raise UsageError(f"{source} is neither a file nor a folder")
        if source == "-" and getattr(options, "pair_field", None):
            raise UsageError("--pair-field reads the files twice, and standard input can be read once")
        if (
            options.output is not None
            and Path(options.output).exists()
            and source != "-"
            and path.samefile(options.output)
        ):
            raise UsageError(f"--output {options.output} is also an input: writing would destroy the note")
    if options.max_note_bytes < 1:
        raise UsageError(f"--max-note-bytes is {options.max_note_bytes}: expected at least 1")
    if options.model is None:
        raise UsageError("--model is missing: the bundled starter model finds entities")
    if options.format == "npy" and options.output is None:
        raise UsageError("--format npy needs --output: it is not text")
    if options.resume and (options.output is None or options.format != "jsonl"):
        raise UsageError("--resume continues a file of JSON lines: it needs --output and --format jsonl")
    output = None if options.output is None else Path(options.output)
    if (
        output is not None
        and not (options.resume or options.force)
        and output.is_file()
        and output.stat().st_size
    ):
        raise UsageError(
            f"{output} is not empty: --resume to continue it, --force to overwrite it, or another --output"
        )


def _classify(options: argparse.Namespace) -> _Command:
    model, threshold = load_classifier(options), read_threshold(options.threshold)

    def pipe(texts: Iterator[Text]) -> Iterator[Any]:
        return model.pipe(texts, threshold=threshold, truncate=options.truncate)

    blank: Text = _BLANK if options.pair_field is None else (_BLANK, _BLANK)
    return _Command(model, pipe, lambda outcome: shown(outcome, options.format), blank)


def _embed(options: argparse.Namespace) -> _Command:
    model = load_embedder(options)

    def pipe(texts: Iterator[Text]) -> Iterator[Any]:
        return model.pipe(texts, normalize=options.normalize or None, truncate=options.truncate)  # type: ignore[arg-type]

    return _Command(model, pipe, lambda outcome: shown(outcome, options.format), _BLANK)


@contextmanager
def _writer(
    options: argparse.Namespace, output: Path | None, command: _Command, skip_done: Callable[[], int]
) -> Iterator[Callable[[Outcome], None]]:
    if output is None:
        yield lambda outcome: write_stdout(command.show(outcome))
    elif options.format == "npy":
        assert isinstance(command.model, Embedder)
        with vector_file(output, command.model.dimension) as write:
            yield write
    else:
        with ResultFile(output) as file:
            file.cut(skip_done() if options.resume else 0)
            yield lambda outcome: file.write(command.show(outcome))


def _skip_done(
    output: Path | None, entries: Iterator[Readable[Text]], command: _Command, failed: Failed
) -> int:
    """Skip the texts that an earlier run has done; returns the bytes of its complete lines.

    Raises:
        InputError: its results are not the first of those asked for now.
    """
    assert output is not None  # _check saw to it
    end = count = 0
    sample: tuple[Readable[Text], str, str] | None = None
    for line in read_result_lines(output):
        entry = next(entries, None)
        if entry is None or entry.id != line.id:
            raise InputError(
                f"{line.where} is of another text than the one in its place: --resume needs the same texts in the "
                "same order"
            )
        if line.error is not None:
            failed.add(Failure(line.id, line.error))
        elif sample is None:
            sample = entry, line.line, line.where
        count, end = count + 1, line.end
    # Batches on a GPU may differ in the last digits.
    if sample is not None and command.model.report().provider == CPU_PROVIDER:
        entry, text, where = sample
        if command.show(alone_of(command.pipe, entry, trial=command.blank)) != text:
            raise InputError(
                f"{where}: its text has other results now: --resume needs the same model and options"
            )
    say(f"clinspan: continuing after {counted(count, 'note')}")
    return end
