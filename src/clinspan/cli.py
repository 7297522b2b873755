"""`clinspan`: extract entities from notes, and say what is in use."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from clinspan import __version__, cli_evaluate
from clinspan.decode import AGGREGATIONS, Threshold
from clinspan.errors import ClinspanError, InputError, MissingDependencyError
from clinspan.formats.notes import Note, read_notes
from clinspan.formats.output import FORMATS, as_jsonl, as_table
from clinspan.package.commands import register as register_package
from clinspan.recognizer import Recognizer

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code: 0 done, 1 failed on data, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (_UsageError, MissingDependencyError) as error:
        return _complain(error, WRONG_USAGE)
    except ClinspanError as error:
        return _complain(error, FAILED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output is gone: nothing more to say
        return FAILED
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    return DONE


class _UsageError(Exception):
    """The command line asks for what cannot be."""


def _complain(error: object, code: int) -> int:
    print(f"clinspan: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clinspan", description="Exact entity spans from clinical notes.")
    parser.add_argument("--version", action="version", version=f"clinspan {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    extract = commands.add_parser("extract", help="find the entities of notes")
    extract.add_argument(
        "sources", nargs="+", metavar="FILE", help="text file, .jsonl of notes, or - for standard input"
    )
    extract.add_argument("-f", "--format", choices=FORMATS, default="table", help="how to write the spans")
    extract.add_argument("-o", "--output", metavar="FILE", help="write here instead of to standard output")
    extract.add_argument("--text-field", default="text", help="field of a .jsonl line that holds the note")
    extract.add_argument("--id-field", default="id", help="field of a .jsonl line that names the note")
    extract.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="[LABEL=]P",
        help="leave out spans that score less; repeatable per label",
    )
    extract.add_argument("--aggregation", choices=AGGREGATIONS, help="how tokens vote for a word's label")
    _add_model_options(extract)
    extract.set_defaults(run=_extract)

    measure = commands.add_parser("evaluate", help="measure a model on annotated documents")
    cli_evaluate.add_options(measure)
    _add_model_options(measure)
    measure.set_defaults(run=lambda options: print(cli_evaluate.run(options, _load)))

    info = commands.add_parser("info", help="say which model and settings are in use")
    _add_model_options(info)
    info.set_defaults(run=_info)

    bench = commands.add_parser("bench", help="time a bundle on this machine, and say which settings to use")
    bench.add_argument("--model", metavar="DIR", help="bundle or ONNX folder; the bundled starter otherwise")
    bench.add_argument("--notes", nargs="+", metavar="FILE", help="notes to time on; made-up ones otherwise")
    bench.add_argument("--seconds", type=float, default=40.0, help="about how long it may take")
    bench.add_argument("--by", choices=("throughput", "message", "note"), default="throughput")
    bench.add_argument(
        "--save", metavar="FILE", help="write the best settings, for Recognizer.load(profile=FILE)"
    )
    bench.set_defaults(run=_bench)

    register_package(commands)
    return parser


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="DIR", help="bundle or ONNX folder; the bundled starter otherwise")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N; never falls back to another")
    parser.add_argument("--precision", help="int8, fp32 or fp16")
    parser.add_argument("--threads", type=int, help="cores to use; all that this process may use otherwise")
    parser.add_argument("--window", type=int, help="tokens that one run reads; the bundle's otherwise")
    parser.add_argument(
        "--overlap", type=int, help="tokens that neighbouring windows share; the bundle's otherwise"
    )


def _check_model(path: str | None) -> None:
    if path is not None and not Path(path).is_dir():
        raise _UsageError(f"{path} is not a folder")


def _load(options: argparse.Namespace) -> Recognizer:
    _check_model(options.model)
    try:
        return Recognizer.load(
            options.model,
            device=options.device,
            precision=options.precision,
            threads=options.threads,
            window=options.window,
            overlap=options.overlap,
        )
    except InputError as error:  # nothing was read yet: what is wrong is an option
        raise _UsageError(str(error)) from error


def _extract(options: argparse.Namespace) -> None:
    for source in options.sources:
        _check_source(source, options.output)
    threshold = _threshold(options.threshold)
    recognizer = _load(options)
    notes = read_notes(options.sources, text_field=options.text_field, id_field=options.id_field)
    write = as_jsonl if options.format == "jsonl" else as_table
    pending: deque[Note] = deque()

    def texts() -> Iterator[str]:
        for note in _with_progress(notes):
            pending.append(note)
            yield note.text

    with _output(options.output) as out:
        for spans in recognizer.pipe(texts(), threshold=threshold, aggregation=options.aggregation):
            print(write(pending.popleft(), spans), file=out)


def _check_source(source: str, output: str | None) -> None:
    path = Path(source)
    # A pipe is as good as a file: <(zcat note.gz).
    if source != "-" and (not path.exists() or path.is_dir()):
        raise _UsageError(f"{source} is not a file")
    if source != "-" and output is not None and Path(output).exists() and path.samefile(output):
        raise _UsageError(f"--output {output} is also an input: writing would destroy the note")


def _info(options: argparse.Namespace) -> None:
    print(json.dumps(dataclasses.asdict(_load(options).report()), indent=2))


def _bench(options: argparse.Namespace) -> None:
    from clinspan import bench

    _check_model(options.model)
    notes = None if options.notes is None else [note.text for note in read_notes(options.notes)]
    timings = []
    print(f"{'':26}{'load s':>8}{'message ms':>12}{'note ms':>10}{'kchars/s':>10}")
    for timing in bench.measure(options.model, notes=notes, seconds=options.seconds):
        timings.append(timing)
        row = f"{timing.load:>8.2f}{timing.message:>12.1f}{timing.note:>10.1f}{timing.throughput:>10.1f}"
        print(f"{timing.name:26}{row}", flush=True)
    best = bench.best(timings, by=options.by)
    print(f"best by {options.by}: {best.name}")
    if options.save:
        with _output(options.save) as out:
            json.dump(best.options, out, indent=2)


def _threshold(values: Sequence[str]) -> Threshold:
    limits: dict[str, float] = {}
    for value in values:
        label, _, number = value.rpartition("=")
        try:
            limits[label] = float(number)
        except ValueError:
            raise _UsageError(f"--threshold {value}: expected a number, or LABEL=number") from None
    if "" in limits and len(limits) > 1:
        raise _UsageError("--threshold: give one number, or one for each label")
    return limits.get("", limits) if limits else 0.0


@contextmanager
def _output(path: str | None) -> Iterator[TextIO]:
    if path is None:
        if isinstance(sys.stdout, TextIOWrapper):  # a terminal's own encoding may lack a note's characters
            sys.stdout.reconfigure(encoding="utf-8")
        yield sys.stdout
        return
    try:
        with Path(path).open("w", encoding="utf-8") as stream:
            yield stream
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def _with_progress(notes: Iterable[Note]) -> Iterator[Note]:
    """Count the notes on a terminal's standard error, once there are several."""
    shown = sys.stderr.isatty()
    began = last = time.monotonic()
    characters = count = 0
    for note in notes:
        yield note
        count += 1
        characters += len(note.text)
        now = time.monotonic()
        if shown and count > 1 and now - last > 0.2:
            last = now
            rate = characters / (now - began)
            print(f"\r{count:,} notes, {rate:,.0f} characters/s ", end="", file=sys.stderr, flush=True)
    if shown and count > 1:
        print(file=sys.stderr)
