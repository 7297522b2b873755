"""Open a model's files once: what is hashed and looked at is what onnxruntime loads, whoever renames files meanwhile.

A graph that keeps its weights in a file beside it is loaded by its own place, since onnxruntime looks for the weights
there, and maps them. Both files are then compared again with those that were opened. Put another file in the place of
weights that are in use rather than write into them: see `HeldFile`.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from io import BufferedReader
from pathlib import Path

from clinspan.bundle.integrity import FileRecord, check_hash, check_size, found_file
from clinspan.bundle.manifest import Bundle
from clinspan.bundle.onnx_scan import Outline, scan
from clinspan.bundle.self_check import check_graph
from clinspan.engine.workers import Workers
from clinspan.errors import BundleError

_CHUNK = 2**20


class ModelFile:
    """The files of a bundle's model, which may be opened again later: for a session on all cores, or after a fork.

    Attributes:
        path: of the graph.
        rows: of the tables that token ids are looked up in, by name, once the graph was opened.
    """

    def __init__(self, bundle: Bundle, precision: str, *, spare_core: bool) -> None:
        """Name the files.

        Args:
            bundle: whose files.
            precision: of the model.
            spare_core: hash the weights on a thread beside the one that loads them.
        """
        self._bundle = bundle
        self._precision = precision
        self._spare_core = spare_core
        self._record = bundle.models[precision]
        self._identities: dict[str, tuple[int, ...]] = {}
        self.path: Path = bundle.path / self._record.path
        self.rows: Mapping[str, int] = {}

    @contextmanager
    def opened(self) -> Iterator[str]:
        """Check the files as far as the bundle's `verify` says, and give the name by which onnxruntime may load them.

        The graph is checked before onnxruntime sees it. The weights, which are only numbers, may be hashed while it
        loads; nothing runs before that has ended.

        Raises:
            BundleError: one is not the recorded file, or not the one that was opened first, or cannot be loaded.
        """
        try:
            with ExitStack() as streams:
                stream = streams.enter_context(self._open(self._record))
                self._check(stream, self._record)()
                outside = self._check_graph(stream)
                weights_right = _nothing
                if self._record.data is not None:
                    beside = streams.enter_context(self._open(self._record.data))
                    weights_right = self._check(beside, self._record.data, streams)
                try:
                    # A graph finds its weights by its own place; Linux alone names an open file.
                    yield str(self.path) if outside or not sys.platform.startswith("linux") else _name(stream)
                finally:
                    weights_right()
                if outside:
                    self._check_places()
        except OSError as error:
            raise BundleError(f"{self.path} cannot be read: {error.strerror}") from error

    def watched(self) -> Callable[[], None] | None:
        """Hold on to weights that onnxruntime maps; gives what to call before each run, None where none are mapped."""
        record = self._record.data
        if record is None or os.name != "posix":  # Windows lets nobody cut a mapped file
            return None
        return HeldFile(
            self._bundle.path / record.path, record, self._bundle.verify, self._identities[record.path]
        ).check

    def _open(self, record: FileRecord) -> BufferedReader:
        return found_file(self._bundle.path, record).open("rb")

    def _check(
        self, stream: BufferedReader, record: FileRecord, streams: ExitStack | None = None
    ) -> Callable[[], None]:
        """Check an open file against its record, reading it once at most.

        Returns:
            What to call for the rest of the check; with `streams`, which then wait for it, it has begun on a thread.
        """
        path = self._bundle.path / record.path
        known = self._bundle.verify == "full" and bool(record.sha256)
        identity = identity_of(os.fstat(stream.fileno()))
        if not known and self._identities.setdefault(record.path, identity) != identity:
            raise BundleError(
                f"{path} is not the file that was loaded first: it was replaced; "
                "load the new one with Recognizer.load"
            )
        self._identities[record.path] = identity
        if self._bundle.verify != "off":
            check_size(path, os.fstat(stream.fileno()).st_size, record)
        if not known:
            return _nothing
        if streams is None or not self._spare_core:
            return lambda: check_hash(path, _sha256(stream), record)
        loader = Workers(1, "clinspan-hash")
        task = loader.submit(_sha256, stream)
        streams.callback(loader.close)
        return lambda: check_hash(path, task.result(), record)

    def _check_graph(self, stream: BufferedReader) -> bool:
        """Check the graph; returns whether it may keep tensors in other files."""
        if self._bundle.verify == "off":
            return True
        outline = _outline(self.path, stream)
        check_graph(self._bundle, self._precision, outline)
        self.rows = outline.rows
        return bool(outline.external)

    def _check_places(self) -> None:
        """Check that the files that were opened are still those that their names lead to."""
        for path, identity in self._identities.items():
            if identity_of((self._bundle.path / path).stat()) != identity:
                raise BundleError(
                    f"{self._bundle.path / path} was replaced while it was loaded: load it again"
                )


class HeldFile:
    """Weights that onnxruntime maps, held open: whoever writes into the file or cuts it short is noticed before a run.

    What is mapped is read when it is needed, so a file that is written into would change the answers, and reading beyond
    the end of one that was cut short ends the process (SIGBUS). A look at the open file before each run finds both. A file that is
    cut within the milliseconds of a run still ends the process: no program can map a file and be safe from that. Put
    another file in its place (a rename), or keep the weights where only you may write. Closed with the last reference.
    """

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


def _nothing() -> None:
    pass


def _sha256(stream: BufferedReader) -> str:
    return hashlib.file_digest(stream, "sha256").hexdigest()


def _outline(path: Path, stream: BufferedReader) -> Outline:
    try:
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return scan(data)
    except (ValueError, IndexError) as error:  # ValueError also for an empty file
        raise BundleError(f"{path} is not an ONNX file: it is not a protobuf message") from error


def _name(stream: BufferedReader) -> str:
    return f"/proc/self/fd/{stream.fileno()}"
