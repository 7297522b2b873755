"""`clinspan bench`: time a bundle on this machine, and find the best settings for it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from clinspan.cli.console import UsageError, exists, named, say, write_stdout, write_text
from clinspan.cli.load_flags import add_model_flag, model_folder
from clinspan.extract.best_settings import Clock, Speed, Timings, measure, standing
from clinspan.extract.notes import read_notes

# Read by the bench; a test puts another in its place.
CLOCK = Clock()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `clinspan bench`."""
    add_model_flag(parser)
    parser.add_argument("--notes", nargs="+", metavar="FILE", help="notes to time on (default: made-up ones)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        help="about how long it may take; it ends sooner where the ranking is stable (%(default)s)",
    )
    parser.add_argument("--by", choices=("throughput", "message", "note"), default="throughput")
    parser.add_argument(
        "--save",
        metavar="FILE",
        help="write the best settings, for LoadOptions(profile=FILE); nothing is written on a busy machine",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print a row for each setting, and the best; save it if asked to and the machine was not busy."""
    model = model_folder(options.model)
    for name in options.notes or ():
        if name != "-" and not exists(name):
            raise UsageError(f"--notes {named(name)}: no such file or folder")
    notes = None if options.notes is None else [note.text for note in read_notes(options.notes)]
    found = measure(model, notes=notes, seconds=options.seconds, by=options.by, clock=CLOCK, progress=say)
    write_stdout(_table(found, options.by))
    chosen = found.recommended(by=options.by)
    if chosen is None:
        write_stdout(
            f"this machine is busy: its cores gave {found.free:.0%} of their time, so no setting is recommended; "
            "run it again when nothing else runs"
        )
        if options.save:
            write_stdout(f"{options.save} is not written: the machine was busy")
        return
    write_stdout(f"best by {options.by}: {chosen.name}{_why(found, chosen)}")
    if options.save:
        write_text(Path(options.save), json.dumps(chosen.options, indent=2))


def _table(found: Timings, by: str) -> str:
    """A row for each setting and provider, and what is to be said of the providers."""
    default = found.settings[0]
    lines = [f"{'':26}{'load s':>8}{'message ms':>12}{'note ms':>10}{'kchars/s':>10}  {by}"]
    for timing in (*found.settings, *found.providers):
        row = f"{timing.load:>8.2f}{timing.message:>12.1f}{timing.note:>10.1f}{timing.throughput:>10.1f}"
        lines.append(
            f"{timing.name:26}{row}  {'' if timing is default else standing(timing, default, by=by)}"
        )
    for timing in found.providers:
        device, how = timing.options["device"], standing(timing, default, by=by)
        lines.append(f"{device} {_PROVIDER_SAID[how]}")
    lines += [f"{device} does not run this model here: {why}" for device, why in found.failed.items()]
    return "\n".join(line.rstrip() for line in lines)


_LAST_DIGITS = "its answers may differ in the last digits, so it is never saved"
_PROVIDER_SAID = {
    "slower": "loses against the default on the CPU",
    "tie": f"ties with the default on the CPU; {_LAST_DIGITS}",
    "faster": f"is faster than the default on the CPU; {_LAST_DIGITS}: ask for it with --device",
}


def _why(found: Timings, chosen: Speed) -> str:
    if not found.stable:
        return f" (the ranking was not stable after {found.rounds} rounds, so the default stays)"
    if chosen is found.settings[0]:
        return f" (no other setting is faster by more than the spread of {found.rounds} rounds)"
    return f" (stable after {found.rounds} rounds)"
