"""Read an .onnx file before onnxruntime loads it: the files that it refers to, the sizes of its tables.

A graph may keep weights in other files, at any path, or at an address in memory. onnxruntime 1.20 reads
/etc/passwd as weights, and ends the process on an address; newer versions refuse both
(https://onnx.ai/onnx/repo-docs/ExternalData.html). Only messages that lead to tensors are walked, so
that a model of 110 MB takes 3 ms; the weights themselves are passed over unread.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clinspan.errors import BundleError

# Field numbers of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto) that lead from the
# model to its tensors.
_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE, _FUNCTION, _TRAINING = range(8)
_CHILDREN: dict[int, dict[int, int]] = {
    _MODEL: {7: _GRAPH, 20: _TRAINING, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _TRAINING: {1: _GRAPH, 2: _GRAPH},
}
_NODE_INPUT, _NODE_OPERATOR = 1, 4
_TENSOR_DIMS, _TENSOR_NAME, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 1, 8, 13, 14
_VARINT, _LENGTH = 0, 2
_FIXED = {1: 8, 5: 4}
# As deep as protobuf itself reads.
_MAX_DEPTH = 100


@dataclass(slots=True)
class Outline:
    """The parts of a graph that are checked before it is loaded.

    Attributes:
        external: tensors kept outside the file -> where, as the file names it.
        rows: tables that `input_ids` choose rows of -> their rows.
    """

    external: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)


def read_outline(path: Path) -> Outline:
    """Walk an .onnx file.

    Raises:
        BundleError: it is not a protobuf message.
    """
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Walk(data).outline()
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, IndexError) as error:  # ValueError also for an empty file
        raise BundleError(f"{path} is not an ONNX file: it is not a protobuf message") from error


class _Walk:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._external: dict[str, str] = {}
        self._first_dims: dict[bytes, int] = {}
        self._tables: list[bytes] = []

    def outline(self) -> Outline:
        self._message(_MODEL, 0, len(self._data), 0)
        rows = {
            name.decode("utf-8", "replace"): self._first_dims[name]
            for name in self._tables
            if name in self._first_dims
        }
        return Outline(self._external, rows)

    def _message(self, kind: int, start: int, end: int, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deep")
        if kind == _TENSOR:
            self._tensor(start, end)
            return
        if kind == _NODE:
            # Most of a model's messages are nodes, of which few look up a row or hold a tensor elsewhere.
            node = self._data[start:end]
            if b"input_ids" in node:
                self._node(start, end)
            if b"location" not in node:
                return
        children = _CHILDREN[kind]
        for number, wire, value, stop in self._fields(start, end):
            if wire == _LENGTH and number in children:
                self._message(children[number], value, stop, depth + 1)

    def _node(self, start: int, end: int) -> None:
        inputs: list[bytes] = []
        operator = b""
        for number, wire, value, stop in self._fields(start, end):
            if wire == _LENGTH and number == _NODE_INPUT:
                inputs.append(self._data[value:stop])
            elif wire == _LENGTH and number == _NODE_OPERATOR:
                operator = self._data[value:stop]
        if operator == b"Gather" and inputs[1:] == [b"input_ids"]:
            self._tables.append(inputs[0])

    def _tensor(self, start: int, end: int) -> None:
        name = b""
        dims: list[int] = []
        outside = False
        entries: dict[bytes, bytes] = {}
        for number, wire, value, stop in self._fields(start, end):
            if number == _TENSOR_DIMS and wire == _VARINT:
                dims.append(value)
            elif number == _TENSOR_DIMS and wire == _LENGTH:
                while value < stop:
                    dim, value = self._varint(value)
                    dims.append(dim)
            elif number == _TENSOR_NAME and wire == _LENGTH:
                name = self._data[value:stop]
            elif number == _TENSOR_EXTERNAL and wire == _LENGTH:
                outside = True
                entry = {n: self._data[v:s] for n, w, v, s in self._fields(value, stop) if w == _LENGTH}
                entries[entry.get(1, b"")] = entry.get(2, b"")
            elif number == _TENSOR_LOCATION and wire == _VARINT:
                outside = outside or value != 0
        if dims:
            self._first_dims[name] = dims[0]
        if outside:
            place = entries.get(b"location", b"").decode("utf-8", "replace")
            self._external[name.decode("utf-8", "replace")] = place

    def _fields(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Number, wire type, and value, or where the bytes of each field of a message start and stop."""
        while start < end:
            tag, value = self._varint(start)
            number, wire = tag >> 3, tag & 7
            if wire == _LENGTH:
                size, value = self._varint(value)
                stop = value + size
            elif wire == _VARINT:
                value, stop = self._varint(value)
            elif wire in _FIXED:
                stop = value + _FIXED[wire]
            else:
                raise ValueError("a wire type that ONNX does not use")
            if stop > end or not 0 < number < 2**29:
                raise ValueError("a field that does not end in its message")
            yield number, wire, value, stop
            start = stop

    def _varint(self, start: int) -> tuple[int, int]:
        value = 0
        for place in range(10):
            byte = self._data[start + place]
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                return value, start + place + 1
        raise ValueError("a number longer than protobuf allows")
