"""Keep, beside a file of results, which run made it: model, options, versions, and a hash of each note's text.

`OUT.run` has a line of JSON about the run, and then a line for each line of OUT: the hash of the note's text, or `-` where
it could not be read. Texts are hashed with random bytes of the run's own, so that no two files can be compared. The hash
of a note is written before its result: after a crash, a result that has none is done again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

from clinspan.errors import InputError
from clinspan.extract.folder import RUN_SUFFIX
from clinspan.strict_json import parse_object
from clinspan.texts import Text

_LINE = re.compile(rb"(?:[0-9a-f]{32}|-)\n")
UNREAD = "-"
# The line about a run is much shorter than this.
_MAX_LINE = 2**20


class RunRecord:
    """The record of a run that is begun or continued; its file is opened when the run's first line is written."""

    def __init__(self, output: Path, run: Mapping[str, Any]) -> None:
        """Describe a run.

        Args:
            output: the file of results.
            run: what decides its results except for the notes; JSON values.
        """
        self.path = output.with_name(f"{output.name}{RUN_SUFFIX}")
        self.output = output
        self._run = parse_object(json.dumps(run), "this run")
        self._salt = secrets.token_hex(16)
        self._end = 0
        self._file: FileIO | None = None

    def earlier(self) -> Iterator[str]:
        """Read the hashes that an earlier run wrote, lazily, once it is known to be one with the same options.

        Raises:
            InputError: there is no record, or it is of another model, other options or another version.
        """
        try:
            stream = self.path.open("rb")
        except OSError:
            raise InputError(
                f"{self.output}: {self.path.name}, which says how it was made, is not beside it: --resume continues "
                "only a file that has one"
            ) from None
        with stream:
            head = stream.readline(_MAX_LINE)
            begun = parse_object(head, str(self.path))
            salt, run = begun.get("salt"), begun.get("run")
            if not isinstance(salt, str) or not isinstance(run, dict):
                raise InputError(f"{self.path}: not the record of a run")
            changed = sorted(name for name in {*run, *self._run} if run.get(name) != self._run.get(name))
            if changed:
                raise InputError(
                    f"{self.output}: made with another {', '.join(changed)}: --resume needs the same model, options "
                    "and notes"
                )
            self._salt, self._end = salt, len(head)
            for line in iter(lambda: stream.readline(64), b""):
                if not _LINE.fullmatch(line):
                    return
                self._end += len(line)
                yield line[:-1].decode("ascii")

    def is_of(self, digest: str, text: Text) -> bool:
        """Say whether a hash that `earlier` gave is of a text."""
        return digest == self._digest(text)

    @contextmanager
    def kept(self, *, again: bool) -> Iterator[None]:
        """Keep the file open: `again` to write behind the hashes taken from `earlier`, or from its start.

        Raises:
            InputError: it cannot be written.
        """
        head = json.dumps({"salt": self._salt, "run": self._run}) + "\n"
        with _named(self.path):
            self._file = FileIO(self.path, "a")
        with self._file:
            with _named(self.path):
                self._file.truncate(self._end if again else 0)
                if not again:
                    self._file.write(head.encode())
            yield
            with _named(self.path):
                os.fsync(self._file.fileno())

    def add(self, text: Text | None) -> None:
        """Write the hash of a note or a pair whose result is about to be written; None if it could not be read.

        Raises:
            InputError: it cannot be written.
        """
        digest = UNREAD if text is None else self._digest(text)
        assert self._file is not None
        with _named(self.path):
            self._file.write(f"{digest}\n".encode())

    def _digest(self, text: Text) -> str:
        # The length of the first text says where it ends.
        whole = text if isinstance(text, str) else f"{len(text[0])}:{text[0]}{text[1]}"
        data = whole.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=self._salt.encode()[:64], digest_size=16).hexdigest()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
