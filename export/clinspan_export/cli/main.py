"""`clinspan-export CHECKPOINT OUT`: make a bundle from a fine-tuned checkpoint.

Its commands go the way there: `check`, `finetune` and `train-bundle` start from annotated documents, or from texts with labels.
`distil` makes a checkpoint smaller, and `sign` says who made a bundle.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from clinspan.cli.console import DONE, FAILED, INTERRUPTED, WRONG_USAGE, write_stdout
from clinspan.errors import ClinspanError, MissingDependencyError
from clinspan.textfiles import printable
from clinspan_export.cli import check, distil, export, sign, train, train_texts

COMMANDS = ("check", "finetune", "finetune-texts", "train-bundle", "train-bundle-texts", "distil", "sign")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code: 0 done, 1 failed, 2 wrong usage."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    # The first word decides: a checkpoint in a folder called "check" is given as ./check.
    known = bool(arguments) and arguments[0] in COMMANDS
    given = train_texts.by_data(arguments) if known else arguments
    options = (_commands() if known else export.parser(COMMANDS)).parse_args(given)
    # A job that is told to end cleans up like one that is interrupted from the keyboard.
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        write_stdout(printable(options.run(options)))
    except ClinspanError as error:
        print(f"clinspan-export: {error}", file=sys.stderr)
        return WRONG_USAGE if isinstance(error, MissingDependencyError) else FAILED
    except KeyboardInterrupt:
        print("clinspan-export: interrupted, nothing was left behind", file=sys.stderr)
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, previous)
    return DONE


def _commands() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clinspan-export")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (check, train, train_texts, distil, sign):
        command.register(commands)
    return parser
