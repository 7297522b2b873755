"""`clinspan info`: the model and the settings in use."""

from __future__ import annotations

import argparse
import dataclasses
import json

from clinspan.cli.console import write_stdout
from clinspan.cli.load_flags import add_load_flags, load_any


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `clinspan info`."""
    add_load_flags(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print a loaded model's report as JSON."""
    write_stdout(json.dumps(dataclasses.asdict(load_any(options).report()), indent=2))
