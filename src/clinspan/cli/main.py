"""`clinspan`: extract entities from notes, and say what is in use."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from clinspan import __version__
from clinspan.cli import evaluate as cli_evaluate
from clinspan.cli import extract as cli_extract
from clinspan.cli.base import DONE, FAILED, INTERRUPTED, WRONG_USAGE, UsageError, drop_stdout, write_text
from clinspan.cli.load_flags import add_load_flags, add_model_flag, check_model, load
from clinspan.cli.package import register as register_package
from clinspan.errors import ClinspanError, MissingDependencyError
from clinspan.extract.notes import read_notes


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
    add_load_flags(extract)
    extract.set_defaults(run=lambda options: cli_extract.run(options, load))

    measure = commands.add_parser("evaluate", help="measure a model on annotated documents")
    cli_evaluate.add_options(measure)
    add_load_flags(measure)
    measure.set_defaults(run=lambda options: print(cli_evaluate.run(options, load)))

    info = commands.add_parser("info", help="say which model and settings are in use")
    add_load_flags(info)
    info.set_defaults(run=_info)

    bench = commands.add_parser("bench", help="time a bundle on this machine, and say which settings to use")
    add_model_flag(bench)
    bench.add_argument("--notes", nargs="+", metavar="FILE", help="notes to time on; made-up ones otherwise")
    bench.add_argument("--seconds", type=float, default=40.0, help="about how long it may take")
    bench.add_argument("--by", choices=("throughput", "message", "note"), default="throughput")
    bench.add_argument(
        "--save", metavar="FILE", help="write the best settings, for LoadOptions(profile=FILE)"
    )
    bench.set_defaults(run=_bench)

    register_package(commands)
    return parser


def _info(options: argparse.Namespace) -> None:
    print(json.dumps(dataclasses.asdict(load(options).report()), indent=2))


def _bench(options: argparse.Namespace) -> None:
    from clinspan.extract import bench

    check_model(options.model)
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
