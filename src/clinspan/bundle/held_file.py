"""Weights that onnxruntime maps, held open: whoever writes into the file or cuts it short is noticed before a run.

What is mapped is read from the file when it is needed, so a file that is written into would change the answers, and
reading beyond the end of one that was cut short ends the process (SIGBUS). A look at the open file before each run takes
a microsecond and finds both. A file that is cut within the milliseconds of a run still ends the process: no program can
map a file and be safe from that, so put another file in its place (a rename) instead of writing into it, or keep the
weights where only you may write.
"""

from __future__ import annotations

import hashlib
import os
import weakref
from pathlib import Path

from clinspan.bundle.integrity import FileRecord, check_hash
from clinspan.errors import BundleError

_CHUNK = 2**20


class HeldFile:
    """An open file of weights, closed with the last reference to this."""

    def __init__(self, path: Path, record: FileRecord, verify: str, identity: tuple[int, ...]) -> None:
        """Open it again.

        Args:
            path: of the file.
            record: what the bundle says of it.
            verify: how far it was checked, `full`, `size` or `off`.
            identity: of the file that was checked.

        Raises:
            BundleError: there is another file by now.
        """
        self._path, self._record, self._verify, self._identity = path, record, verify, identity
        try:
            self._number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise BundleError(f"{path} cannot be read: {error.strerror}") from error
        weakref.finalize(self, os.close, self._number)
        self.check()

    def check(self) -> None:
        """Do nothing as long as the file is as it was.

        A file that was touched is read again, and may be used if its bytes are the recorded ones.

        Raises:
            BundleError: it was cut short or written into.
        """
        now = identity_of(os.fstat(self._number))
        if now != self._identity:
            self._look(now)

    def _look(self, now: tuple[int, ...]) -> None:
        if now[:3] != self._identity[:3]:
            raise BundleError(
                f"{self._path} was replaced or cut short while it was in use: load the model again"
            )
        if self._verify == "full" and self._record.sha256:
            check_hash(self._path, self._sha256(), self._record)
        self._identity = now

    def _sha256(self) -> str:
        """The hash of the open file, read at places of its own, since several threads may look at once."""
        digest, at = hashlib.sha256(), 0
        while chunk := os.pread(self._number, _CHUNK, at):
            digest.update(chunk)
            at += len(chunk)
        return digest.hexdigest()


def identity_of(found: os.stat_result) -> tuple[int, ...]:
    """Return values of which one changes when a file is replaced (the first two), cut (the third) or written into."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
