"""Open a model's files once: what is hashed and looked at is what onnxruntime loads, whoever renames files meanwhile.

A graph that keeps its weights in a file beside it is loaded by its own place, since onnxruntime looks for the weights
there, and maps them. Both files are then compared again with those that were opened. Whoever writes into a mapped
file changes the model, and whoever cuts it short ends the process: put another file in its place instead.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedReader
from pathlib import Path

from clinspan.bundle.integrity import FileRecord, check_hash, check_size, found_file
from clinspan.bundle.manifest import Bundle
from clinspan.bundle.onnx_scan import Outline, scan
from clinspan.bundle.self_check import check_graph
from clinspan.errors import BundleError
from clinspan.text.tokenizer import Tokenizer


class ModelFile:
    """The files of a bundle's model, which may be opened again later: for a session on all cores, or after a fork."""

    def __init__(self, bundle: Bundle, precision: str, tokenizer: Tokenizer) -> None:
        self._bundle = bundle
        self._precision = precision
        self._tokenizer = tokenizer
        self._record = bundle.models[precision]
        self._identities: dict[str, tuple[int, ...]] = {}
        self.path: Path = bundle.path / self._record.path

    @contextmanager
    def opened(self) -> Iterator[str]:
        """Check the files as far as the bundle's `verify` says, and give the name by which onnxruntime may load them.

        Raises:
            BundleError: one is not the recorded file, or not the one that was opened first, or cannot be loaded.
        """
        try:
            with ExitStack() as streams:
                stream = streams.enter_context(self._open(self._record))
                self._check(stream, self._record)
                outside = self._check_graph(stream)
                if self._record.data is not None:
                    beside = streams.enter_context(self._open(self._record.data))
                    self._check(beside, self._record.data)
                # A graph finds its weights by its own place; Linux alone names an open file.
                yield str(self.path) if outside or not sys.platform.startswith("linux") else _name(stream)
                if outside:
                    self._check_places()
        except OSError as error:
            raise BundleError(f"{self.path} cannot be read: {error.strerror}") from error

    def _open(self, record: FileRecord) -> BufferedReader:
        return found_file(self._bundle.path, record).open("rb")

    def _check(self, stream: BufferedReader, record: FileRecord) -> None:
        """Check an open file against its record, reading it once at most."""
        path = self._bundle.path / record.path
        known = self._bundle.verify == "full" and bool(record.sha256)
        identity = _identity(os.fstat(stream.fileno()))
        if not known and self._identities.setdefault(record.path, identity) != identity:
            raise BundleError(
                f"{path} is not the file that was loaded first: it was replaced; "
                "load the new one with Recognizer.load"
            )
        self._identities[record.path] = identity
        if self._bundle.verify != "off":
            check_size(path, os.fstat(stream.fileno()).st_size, record)
        if known:
            check_hash(path, hashlib.file_digest(stream, "sha256").hexdigest(), record)

    def _check_graph(self, stream: BufferedReader) -> bool:
        """Check the graph; returns whether it may keep tensors in other files."""
        if self._bundle.verify == "off":
            return True
        outline = _outline(self.path, stream)
        check_graph(self._bundle, self._precision, outline, self._tokenizer)
        return bool(outline.external)

    def _check_places(self) -> None:
        """Check that the files that were opened are still those that their names lead to."""
        for path, identity in self._identities.items():
            if _identity((self._bundle.path / path).stat()) != identity:
                raise BundleError(
                    f"{self._bundle.path / path} was replaced while it was loaded: load it again"
                )


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _outline(path: Path, stream: BufferedReader) -> Outline:
    try:
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return scan(data)
    except (ValueError, IndexError) as error:  # ValueError also for an empty file
        raise BundleError(f"{path} is not an ONNX file: it is not a protobuf message") from error


def _name(stream: BufferedReader) -> str:
    return f"/proc/self/fd/{stream.fileno()}"
