"""Read an .onnx file before onnxruntime loads it: its operators, the files that it refers to, the sizes of its tables.

A graph may keep weights in other files, at any path, or at an address in memory. onnxruntime 1.20 reads
/etc/passwd as weights, and ends the process on an address; newer versions refuse both
(https://onnx.ai/onnx/repo-docs/ExternalData.html). The weights themselves are passed over unread.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field

# Field numbers of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
_MODEL_GRAPH, _MODEL_TRAINING, _MODEL_FUNCTION = 7, 20, 25
_GRAPH_NODE, _GRAPH_TENSOR, _GRAPH_SPARSE = 1, 5, 15
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 4, 5, 7
_ATTRIBUTE_NAME, _ATTRIBUTE_INTEGER, _ATTRIBUTE_TENSOR = 1, 3, 5
_ATTRIBUTE_GRAPHS = (6, 11)
# Attributes that hold several tensors or sparse ones.
_ATTRIBUTE_OTHERS = {10: "tensors", 22: "sparse", 23: "sparse"}
# Branches inside branches; exporters nest two.
_MAX_DEPTH = 16
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 1, 2, 8, 9, 13, 14
_TENSOR_INT32, _TENSOR_INT64 = 5, 7
_VARINT, _LENGTH = 0, 2
_FIXED = {1: 8, 5: 4}
# A constant divisor is a number or a few; more need not be read.
_FEW_BYTES = 64
# Encoders of 48 layers have some 5,000 nodes and constants. What is far beyond is not read, for each takes memory here.
_MOST_PARTS = 100_000
_MOST_DIMENSIONS = 64


@dataclass(slots=True)
class Tensor:
    """A constant: its dimensions, element type (onnx.TensorProto.DataType), and its bytes where they are few."""

    dims: list[int]
    kind: int
    few: bytes | None


@dataclass(slots=True)
class Node:
    """A node: operator, domain, the names that it reads and gives, its integer and tensor attributes, its graphs."""

    operator: str
    domain: str
    inputs: list[bytes]
    outputs: list[bytes]
    integers: dict[bytes, int]
    tensors: dict[bytes, Tensor]
    graphs: int = 0


@dataclass(slots=True)
class Outline:
    """The parts of a graph that are checked before it is loaded.

    Attributes:
        nodes: in order, those of graphs inside nodes among them.
        constants: initializers by name.
        repeated: names that are given twice, in two graphs say, so that they tell nothing.
        external: tensors kept outside the file -> where, as the file names it.
        unusual: kinds of parts that no encoder has, such as functions and sparse tensors.
    """

    nodes: list[Node] = field(default_factory=list)
    constants: dict[bytes, Tensor] = field(default_factory=dict)
    repeated: set[bytes] = field(default_factory=set)
    external: dict[str, str] = field(default_factory=dict)
    unusual: set[str] = field(default_factory=set)

    @property
    def rows(self) -> dict[str, int]:
        """Tables that `input_ids` choose rows of -> their rows."""
        found: dict[str, int] = {}
        for node in self.nodes:
            if node.operator == "Gather" and node.inputs[1:] == [b"input_ids"]:
                table = self.constants.get(node.inputs[0])
                if table is not None and table.dims:
                    found[node.inputs[0].decode("utf-8", "replace")] = table.dims[0]
        return found


def scan(data: mmap.mmap | bytes) -> Outline:
    """Walk an .onnx file.

    Raises:
        ValueError, IndexError: it is not a protobuf message.
    """
    outline = Outline()
    for number, wire, value, stop in _fields(data, 0, len(data)):
        if wire == _LENGTH and number == _MODEL_GRAPH:
            _graph(data, value, stop, outline, 0)
        elif number == _MODEL_FUNCTION:
            outline.unusual.add("function")
        elif number == _MODEL_TRAINING:
            outline.unusual.add("training")
    return outline


def _graph(data: mmap.mmap | bytes, start: int, end: int, outline: Outline, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep")
    for number, wire, value, stop in _fields(data, start, end):
        if len(outline.nodes) + len(outline.constants) > _MOST_PARTS:
            outline.unusual.add("size")
            return
        if wire != _LENGTH:
            continue
        if number == _GRAPH_NODE:
            _node(data, value, stop, outline, depth)
        elif number == _GRAPH_TENSOR:
            name, tensor = _tensor(data, value, stop, outline)
            if name in outline.constants:
                outline.repeated.add(name)
            outline.constants[name] = tensor
        elif number == _GRAPH_SPARSE:
            outline.unusual.add("sparse")


def _node(data: mmap.mmap | bytes, start: int, end: int, outline: Outline, depth: int) -> None:
    node = Node("", "", [], [], {}, {})
    outline.nodes.append(node)
    for number, wire, value, stop in _fields(data, start, end):
        if wire != _LENGTH:
            continue
        if number == _NODE_INPUT:
            node.inputs.append(data[value:stop])
        elif number == _NODE_OUTPUT:
            node.outputs.append(data[value:stop])
        elif number == _NODE_OPERATOR:
            node.operator = data[value:stop].decode("utf-8", "replace")
        elif number == _NODE_DOMAIN:
            node.domain = data[value:stop].decode("utf-8", "replace")
        elif number == _NODE_ATTRIBUTE:
            _attribute(data, value, stop, node, outline, depth)


def _attribute(
    data: mmap.mmap | bytes, start: int, end: int, node: Node, outline: Outline, depth: int
) -> None:
    name = b""
    for number, wire, value, stop in _fields(data, start, end):
        if number == _ATTRIBUTE_NAME and wire == _LENGTH:
            name = data[value:stop]
        elif number == _ATTRIBUTE_INTEGER and wire == _VARINT:
            node.integers[name] = value
        elif number == _ATTRIBUTE_TENSOR and wire == _LENGTH:
            _, node.tensors[name] = _tensor(data, value, stop, outline)
        elif number in _ATTRIBUTE_GRAPHS and wire == _LENGTH:
            node.graphs += 1
            _graph(data, value, stop, outline, depth + 1)
        elif number in _ATTRIBUTE_OTHERS:
            outline.unusual.add(_ATTRIBUTE_OTHERS[number])


def _tensor(data: mmap.mmap | bytes, start: int, end: int, outline: Outline) -> tuple[bytes, Tensor]:
    name, tensor, outside = b"", Tensor([], 0, None), False
    entries: dict[bytes, bytes] = {}
    for number, wire, value, stop in _fields(data, start, end):
        if number == _TENSOR_DIMS:
            dims = (
                [value] if wire == _VARINT else _packed(data, value, min(stop, value + 10 * _MOST_DIMENSIONS))
            )
            tensor.dims += dims[: _MOST_DIMENSIONS - len(tensor.dims)]
        elif number == _TENSOR_TYPE and wire == _VARINT:
            tensor.kind = value
        elif number == _TENSOR_NAME and wire == _LENGTH:
            name = data[value:stop]
        elif number == _TENSOR_RAW and wire == _LENGTH and stop - value <= _FEW_BYTES:
            tensor.few = data[value:stop]
        elif number in (_TENSOR_INT32, _TENSOR_INT64):
            tensor.few = _few_integers(data, wire, value, stop, tensor.few)
        elif number == _TENSOR_EXTERNAL and wire == _LENGTH:
            outside = True
            entry = {n: data[v:s] for n, w, v, s in _fields(data, value, stop) if w == _LENGTH}
            entries[entry.get(1, b"")] = entry.get(2, b"")
        elif number == _TENSOR_LOCATION and wire == _VARINT:
            outside = outside or value != 0
    if outside:
        place = entries.get(b"location", b"").decode("utf-8", "replace")
        outline.external[name.decode("utf-8", "replace")] = place
    return name, tensor


def _few_integers(
    data: mmap.mmap | bytes, wire: int, value: int, stop: int, before: bytes | None
) -> bytes | None:
    """Numbers that are not stored as raw bytes, as little-endian int64, while they are few."""
    numbers = [value] if wire == _VARINT else _packed(data, value, min(stop, value + _FEW_BYTES))
    few = (before or b"") + b"".join((number % 2**64).to_bytes(8, "little") for number in numbers)
    return few[: 8 * _FEW_BYTES]


def _packed(data: mmap.mmap | bytes, start: int, end: int) -> list[int]:
    numbers = []
    while start < end:
        number, start = _varint(data, start)
        numbers.append(number)
    return numbers


def _fields(data: mmap.mmap | bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, and value, or where the bytes of each field of a message start and stop."""
    while start < end:
        tag, value = _varint(data, start)
        number, wire = tag >> 3, tag & 7
        if wire == _LENGTH:
            size, value = _varint(data, value)
            stop = value + size
        elif wire == _VARINT:
            value, stop = _varint(data, value)
        elif wire in _FIXED:
            stop = value + _FIXED[wire]
        else:
            raise ValueError("a wire type that ONNX does not use")
        if stop > end or not 0 < number < 2**29:
            raise ValueError("a field that does not end in its message")
        yield number, wire, value, stop
        start = stop


def _varint(data: mmap.mmap | bytes, start: int) -> tuple[int, int]:
    byte = data[start]
    if byte < 0x80:  # most are
        return byte, start + 1
    value = 0
    for place in range(10):
        byte = data[start + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, start + place + 1
    raise ValueError("a number longer than protobuf allows")
