"""`clinspan info`: the model and the settings in use."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from clinspan.bundle.integrity import record_file
from clinspan.bundle.manifest import CARD, open_bundle
from clinspan.cli.console import write_stdout
from clinspan.cli.load_flags import add_load_flags, load_any


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `clinspan info`."""
    add_load_flags(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print a loaded model's report as JSON."""
    report = dataclasses.asdict(load_any(options).report())
    write_stdout(json.dumps({**report, "card": _card(Path(report["path"]))}, indent=2))


def _card(folder: Path) -> str:
    """Say whether the model card is still the one that the manifest records."""
    recorded = open_bundle(folder, verify="off").card
    if not (folder / CARD).is_file():
        return "missing"
    if recorded is None:
        return "not recorded"
    return "as recorded" if record_file(folder, CARD) == recorded else "changed since it was recorded"
