"""Open a model's file once: what is hashed and looked at is what onnxruntime loads, whoever renames files meanwhile."""

from __future__ import annotations

import hashlib
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from clinspan.bundle.integrity import check_hash, check_size, found_file
from clinspan.bundle.manifest import Bundle
from clinspan.bundle.onnx_scan import Outline, scan
from clinspan.bundle.self_check import check_graph
from clinspan.errors import BundleError
from clinspan.text.tokenizer import Tokenizer


class ModelFile:
    """The file of a bundle's model, which may be opened again later: for a session on all cores, or after a fork."""

    def __init__(self, bundle: Bundle, precision: str, tokenizer: Tokenizer) -> None:
        self._bundle = bundle
        self._precision = precision
        self._tokenizer = tokenizer
        self._record = bundle.models[precision]
        self._identity: tuple[int, ...] = ()
        self.path: Path = bundle.path / self._record.path

    @contextmanager
    def opened(self) -> Iterator[str]:
        """Check the file as far as the bundle's `verify` says, and give the name by which onnxruntime may load it.

        Raises:
            BundleError: it is not the recorded file, or not the one that was opened first, or cannot be loaded.
        """
        found_file(self._bundle.path, self._record)
        try:
            with self.path.open("rb") as stream:
                outside = self._check(stream)
                # A graph finds its other files by its own place; Linux alone names an open file.
                yield str(self.path) if outside or not sys.platform.startswith("linux") else _name(stream)
        except OSError as error:
            raise BundleError(f"{self.path} cannot be read: {error.strerror}") from error

    def _check(self, stream: BufferedReader) -> bool:
        """Check an open file; returns whether its graph keeps tensors in other files."""
        verify = self._bundle.verify
        known = verify == "full" and bool(self._record.sha256)
        self._check_identity(stream, known)
        if verify == "off":
            return False
        check_size(self.path, os.fstat(stream.fileno()).st_size, self._record)
        if known:
            check_hash(self.path, hashlib.file_digest(stream, "sha256").hexdigest(), self._record)
        outline = _outline(self.path, stream)
        check_graph(self._bundle, self._precision, outline, self._tokenizer)
        return bool(outline.external)

    def _check_identity(self, stream: BufferedReader, hashed: bool) -> None:
        found = os.fstat(stream.fileno())
        identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        if self._identity and identity != self._identity and not hashed:
            raise BundleError(
                f"{self.path} is not the file that was loaded first: it was replaced; "
                "load the new one with Recognizer.load"
            )
        self._identity = identity


def _outline(path: Path, stream: BufferedReader) -> Outline:
    try:
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return scan(data)
    except (ValueError, IndexError) as error:  # ValueError also for an empty file
        raise BundleError(f"{path} is not an ONNX file: it is not a protobuf message") from error


def _name(stream: BufferedReader) -> str:
    return f"/proc/self/fd/{stream.fileno()}"
