"""`clinspan`: extract entities from notes, and say what is in use."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from clinspan import __version__
from clinspan.bundle.integrity import VERIFY
from clinspan.bundle.loading import MAX_CHARACTERS
from clinspan.cli import evaluate as cli_evaluate
from clinspan.cli import extract as cli_extract
from clinspan.cli.base import DONE, FAILED, INTERRUPTED, WRONG_USAGE, UsageError, drop_stdout, write_text
from clinspan.cli.package import register as register_package
from clinspan.errors import ClinspanError, InputError, MissingDependencyError
from clinspan.extract.notes import read_notes
from clinspan.recognizer import Recognizer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code: 0 done, 1 failed on data, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        code = options.run(options)
    except (UsageError, MissingDependencyError) as error:
        return _complain(error, WRONG_USAGE)
    except ClinspanError as error:
        return _complain(error, FAILED)
    except BrokenPipeError:
        drop_stdout()
        return FAILED  # the reader of our output is gone: nothing more to say
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    return DONE if code is None else int(code)


def _complain(error: object, code: int) -> int:
    print(f"clinspan: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clinspan", description="Exact entity spans from clinical notes.")
    parser.add_argument("--version", action="version", version=f"clinspan {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    extract = commands.add_parser("extract", help="find the entities of notes")
    cli_extract.add_options(extract)
    _add_model_options(extract)
    extract.set_defaults(run=lambda options: cli_extract.run(options, _load))

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
    parser.add_argument(
        "--max-characters",
        type=int,
        default=MAX_CHARACTERS,
        metavar="N",
        help="longest note that is read, in characters; a longer one is an error, never cut (%(default)s)",
    )
    parser.add_argument("--window", type=int, help="tokens that one run reads; the bundle's otherwise")
    parser.add_argument(
        "--overlap", type=int, help="tokens that neighbouring windows share; the bundle's otherwise"
    )
    parser.add_argument(
        "--verify", choices=VERIFY, default="full", help="what to check of the model's files; full otherwise"
    )
    parser.add_argument("--public-key", metavar="PEM", help="load only a bundle that this key signed")


def _check_model(path: str | None) -> None:
    if path is not None and not Path(path).is_dir():
        raise UsageError(f"{path} is not a folder")


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
            max_characters=options.max_characters,
            verify=options.verify,
            public_key=options.public_key,
        )
    except InputError as error:  # nothing was read yet: what is wrong is an option
        raise UsageError(str(error)) from error


def _info(options: argparse.Namespace) -> None:
    print(json.dumps(dataclasses.asdict(_load(options).report()), indent=2))


def _bench(options: argparse.Namespace) -> None:
    from clinspan.extract import bench

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
        write_text(Path(options.save), json.dumps(best.options, indent=2))
