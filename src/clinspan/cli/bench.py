"""`clinspan bench`: time a bundle on this machine, and find the best settings for it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from clinspan.cli.console import UsageError, exists, named, write_stdout, write_text
from clinspan.cli.load_flags import add_model_flag, model_folder
from clinspan.extract.best_settings import best, measure
from clinspan.extract.notes import read_notes


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `clinspan bench`."""
    add_model_flag(parser)
    parser.add_argument("--notes", nargs="+", metavar="FILE", help="notes to time on (default: made-up ones)")
    parser.add_argument(
        "--seconds", type=float, default=40.0, help="about how long it may take (%(default)s)"
    )
    parser.add_argument("--by", choices=("throughput", "message", "note"), default="throughput")
    parser.add_argument(
        "--save", metavar="FILE", help="write the best settings, for LoadOptions(profile=FILE)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print a row for each setting, and the best; save it if asked to."""
    model = model_folder(options.model)
    for name in options.notes or ():
        if name != "-" and not exists(name):
            raise UsageError(f"--notes {named(name)}: no such file or folder")
    notes = None if options.notes is None else [note.text for note in read_notes(options.notes)]
    timings = []
    write_stdout(f"{'':26}{'load s':>8}{'message ms':>12}{'note ms':>10}{'kchars/s':>10}")
    for timing in measure(model, notes=notes, seconds=options.seconds):
        timings.append(timing)
        row = f"{timing.load:>8.2f}{timing.message:>12.1f}{timing.note:>10.1f}{timing.throughput:>10.1f}"
        write_stdout(f"{timing.name:26}{row}")
    chosen = best(timings, by=options.by)
    write_stdout(f"best by {options.by}: {chosen.name}")
    if options.save:
        write_text(Path(options.save), json.dumps(chosen.options, indent=2))
