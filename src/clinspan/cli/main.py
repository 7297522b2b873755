"""`clinspan`: choose the command, and turn its errors into exit codes."""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from clinspan import __version__
from clinspan.cli.console import (
    DONE,
    FAILED,
    INTERRUPTED,
    WRONG_USAGE,
    UsageError,
    drop_stdout,
    named,
    open_standard_streams,
    say,
)
from clinspan.errors import ClinspanError, MissingDependencyError

# Each command is a module, of this folder or of a room in it, imported only when it is asked for; two share one.
COMMANDS = {
    "extract": "find the entities of notes",
    "classify": "score the labels of notes or pairs of texts",
    "embed": "turn notes into vectors",
    "evaluate": "measure a model on annotated documents",
    "info": "say which model and settings are in use",
    "bench": "time a bundle on this machine, and say which settings to use",
    "serve": "answer requests over HTTP",
    "pull": "download a model from the Hub into a folder",
    "package": "make a function's zip, a container or a wheelhouse",
}
_MODULES = {"classify": "texts.whole_texts", "embed": "texts.whole_texts", "pull": "hub.pull"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code: 0 done, 1 failed on data, 2 wrong usage."""
    open_standard_streams()
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser(given).parse_args(given)
    try:
        code = options.run(options)
    except (UsageError, MissingDependencyError) as error:
        return _complain(error, WRONG_USAGE)
    except ClinspanError as error:
        return _complain(error, FAILED)
    except BrokenPipeError:
        drop_stdout()
        return FAILED  # the reader of our output is gone: nothing more to say
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return _complain("no such file: the name is too long to be one's", WRONG_USAGE)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    return DONE if code is None else int(code)


def _complain(error: object, code: int) -> int:
    say(f"clinspan: {error}")
    return code


def _parser(given: Sequence[str] = ()) -> argparse.ArgumentParser:
    class Parser(argparse.ArgumentParser):
        """Complains as argparse does, and does not quote a text that was given by mistake."""

        def error(self, message: str) -> NoReturn:
            for value in (part for one in given for part in (one, one.partition("=")[2])):
                if value and named(value) != value:
                    message = message.replace(repr(value), named(value)).replace(value, named(value))
            super().error(message)

    parser = Parser(
        prog="clinspan", description="Exact entity spans, labels and vectors from clinical notes."
    )
    parser.add_argument("--version", action="version", version=f"clinspan {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, description in COMMANDS.items():
        command = commands.add_parser(name, help=description)
        if name in given:
            import_module(f"clinspan.cli.{_MODULES.get(name, name)}").add_options(command)
    return parser
