"""`clinspan classify` and `clinspan embed`: labels or a vector of each note, of one or of a hundred thousand."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from clinspan.classifier import Classifier
from clinspan.cli.console import DONE, FAILED, UsageError, write_stdout
from clinspan.cli.load_flags import add_load_flags, load_classifier, load_embedder
from clinspan.cli.runs.progress import Failed, count_notes, report, with_progress
from clinspan.cli.runs.resuming import facts_of, skip_done
from clinspan.cli.runs.run_options import (
    add_result_options,
    add_source_options,
    check_run,
    read_options,
)
from clinspan.cli.values import read_threshold
from clinspan.embedder import Embedder
from clinspan.errors import InputError
from clinspan.extract.outcomes import Failure, Readable, alone_of, outcomes_of
from clinspan.extract.results import ResultFile
from clinspan.extract.run_record import RunRecord
from clinspan.extract.text_results import (
    TextOutcome,
    WriteText,
    list_texts,
    shown,
    vector_file,
    vector_table,
)
from clinspan.texts import Text

# Formats of each command, the first by default; those that can be continued, and those that are not text.
_FORMATS = {"classify": ("table", "jsonl", "huggingface"), "embed": ("jsonl", "npy", "parquet")}
_RESUMES = ("jsonl", "huggingface")
_NOT_TEXT = {"npy": vector_file, "parquet": vector_table}
_BLANK = "Fever."


@dataclass(frozen=True, slots=True)
class _Command:
    """A command under way.

    Attributes:
        model: under way.
        pipe: asks it, each text within its time.
        untimed: asks it without a limit.
        asked: what decides the results beside the model and the texts.
        form: how they are written.
        blank: a text, or a pair, that costs little.
    """

    model: Classifier | Embedder
    pipe: Callable[[Iterator[Text]], Iterator[Any]]
    untimed: Callable[[Iterator[Text]], Iterator[Any]]
    asked: dict[str, Any]
    form: str
    blank: Text

    def show(self, outcome: TextOutcome) -> str:
        """Write an outcome as text."""
        return shown(outcome, self.form)

    def again(self, entry: Readable[Text]) -> str | None:
        """Read a text again, and write its result; None where it fails now."""
        # It was in time before: how long it takes now says nothing of its results.
        outcome = alone_of(self.untimed, entry, trial=self.blank)
        return None if isinstance(outcome, Failure) else self.show(outcome)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command that `parser` is for."""
    name = parser.prog.rpartition(" ")[2]
    add = parser.add_argument
    add_source_options(parser)
    add("--truncate", action="store_true", help="read the first window of each text only")
    if name == "classify":
        second = "field or column with a second text, which is read with the first"
        add("--pair-field", metavar="NAME", help=second)
        least = "leave out labels that score less; repeatable per label"
        add("--threshold", action="append", default=[], metavar="[LABEL=]P", help=least)
    else:
        unit = "bring every vector to length 1, also where the model does not"
        add("--normalize", action="store_true", help=unit)
    add("-f", "--format", choices=_FORMATS[name], default=_FORMATS[name][0], help="how to write the results")
    add_result_options(parser)
    add_load_flags(parser)
    parser.set_defaults(run=lambda options: run(options, name))


def run(options: argparse.Namespace, name: str) -> int:
    """Classify or embed as the options say; returns the exit code.

    Raises:
        UsageError: the options contradict each other or the files.
        ClinspanError: a text failed and was not to be skipped, or the results cannot be written.
    """
    check_run(options, resumes=_RESUMES, not_text=_NOT_TEXT)
    if options.model is None:
        raise UsageError("--model is missing: the bundled starter model finds entities")
    output = Path(options.output) if options.output else None
    reading = read_options(options, second_field=getattr(options, "pair_field", None))
    command = (_classify if name == "classify" else _embed)(options)
    command.pipe(iter(()))  # refuses wrong options before a file is touched
    entries = list_texts(options.sources, reading)
    failed = Failed()
    with _writer(options, output, command, entries, failed) as write:
        found = outcomes_of(command.pipe, entries, blank=command.blank, trial=command.blank)
        watched = with_progress(
            found, failed, lambda one: sum(map(len, _parts(one.text))),
            quiet=options.quiet, total=count_notes(options.sources, reading),
        )  # fmt: skip
        for outcome in watched:
            if isinstance(outcome, Failure) and options.on_error == "stop":
                raise InputError(outcome.reason)
            write(outcome)
    report(failed, reading.left_out, told=True)
    return FAILED if failed.count else DONE


def _parts(text: Text) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


def _classify(options: argparse.Namespace) -> _Command:
    model, threshold = load_classifier(options), read_threshold(options.threshold)

    given = {"threshold": threshold, "truncate": options.truncate}
    limits = threshold if isinstance(threshold, float) else dict(threshold)
    asked = {
        "pair_field": options.pair_field,
        "threshold": limits,
        "truncate": options.truncate,
        "timeout": options.timeout,
    }
    blank: Text = _BLANK if options.pair_field is None else (_BLANK, _BLANK)
    untimed = partial(model.pipe, **given)

    def one(text: Text) -> Any:
        return model.classify(text, timeout=options.timeout, **given)

    return _Command(model, _timed(untimed, one, options.timeout), untimed, asked, options.format, blank)


def _embed(options: argparse.Namespace) -> _Command:
    model = load_embedder(options)
    given = {"normalize": options.normalize or None, "truncate": options.truncate}
    asked = {"normalize": options.normalize, "truncate": options.truncate, "timeout": options.timeout}
    untimed: Callable[[Iterator[Any]], Iterator[Any]] = partial(model.pipe, **given)

    def one(text: Any) -> Any:
        return model.embed([text], timeout=options.timeout, **given)[0]

    return _Command(model, _timed(untimed, one, options.timeout), untimed, asked, options.format, _BLANK)


def _timed(
    untimed: Callable[[Iterator[Text]], Iterator[Any]], one: Callable[[Text], Any], timeout: float | None
) -> Callable[[Iterator[Text]], Iterator[Any]]:
    """Ask with a call of its own for each text: the time of a pipe is that of all of them together."""
    if timeout is None:
        return untimed

    def pipe(texts: Iterator[Text]) -> Iterator[Any]:
        untimed(iter(()))  # refuses wrong options
        return map(one, texts)

    return pipe


@contextmanager
def _writer(
    options: argparse.Namespace,
    output: Path | None,
    command: _Command,
    entries: Iterator[Readable[Text]],
    failed: Failed,
) -> Iterator[WriteText]:
    if output is None:
        yield lambda outcome: write_stdout(command.show(outcome))
    elif options.format in _NOT_TEXT:
        assert isinstance(command.model, Embedder)
        with _NOT_TEXT[options.format](output, command.model.dimension) as write:
            yield write
    else:
        facts = facts_of(command.model, options.max_characters)
        record = RunRecord(output, {**facts, **command.asked, "format": options.format})
        with ResultFile(output) as file:
            provider = command.model.report().provider
            end = 0
            if options.resume:
                end = skip_done(record, entries, failed, again=command.again, provider=provider)
            file.cut(end)
            if not file.regular or options.format not in _RESUMES:
                yield lambda outcome: file.write(command.show(outcome))
                return
            with record.kept(again=end > 0):

                def add(outcome: TextOutcome) -> None:
                    record.add(outcome.text)
                    file.write(command.show(outcome))

                yield add
