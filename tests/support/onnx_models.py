"""ONNX models as bytes, written without any ONNX library, so that hostile ones can be made on every machine.

Wire format: https://protobuf.dev/programming-guides/encoding/; field numbers: onnx.proto of ONNX 1.16.
Every message is `bytes`; a message in a message is `part(field, message)`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FLOAT, INT32, INT64, STRING, BOOL = 1, 6, 7, 8, 9  # TensorProto.DataType
_DATA_TYPES = {"float32": FLOAT, "int32": INT32, "int64": INT64, "bool": BOOL}
_EXTERNAL = 1  # TensorProto.DataLocation
_IR_VERSION, _OPSET = 8, 13


def model(graph: bytes, *, domains: Sequence[str] = ()) -> bytes:
    """Write a ModelProto; `domains` are those of operators that ONNX does not define."""
    opsets = [part(8, text(1, "") + number(2, _OPSET))]
    opsets += [part(8, text(1, domain) + number(2, 1)) for domain in domains]
    return number(1, _IR_VERSION) + part(7, graph) + b"".join(opsets)


def graph(
    nodes: Sequence[bytes],
    *,
    inputs: Sequence[bytes] = (),
    outputs: Sequence[bytes] = (),
    tensors: Sequence[bytes] = (),
) -> bytes:
    """Write a GraphProto; `tensors` are its initializers."""
    parts = [part(1, node) for node in nodes] + [text(2, "tiny")]
    parts += [part(5, tensor) for tensor in tensors]
    parts += [part(11, value) for value in inputs] + [part(12, value) for value in outputs]
    return b"".join(parts)


def node(
    operator: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    *,
    attributes: Sequence[bytes] = (),
    domain: str = "",
) -> bytes:
    """Write a NodeProto."""
    names = [text(1, name) for name in inputs] + [text(2, name) for name in outputs]
    own = text(7, domain) if domain else b""
    return b"".join([*names, text(4, operator), *(part(5, one) for one in attributes), own])


def attribute(name: str, value: int | str) -> bytes:
    """Write an AttributeProto that holds an integer or a string."""
    if isinstance(value, int):
        return text(1, name) + number(3, value) + number(20, 2)
    return text(1, name) + text(4, value) + number(20, 3)


def tensor_attribute(name: str, tensor: bytes) -> bytes:
    """Write an AttributeProto that holds a tensor."""
    return text(1, name) + part(5, tensor) + number(20, 4)


def graph_attribute(name: str, graph: bytes) -> bytes:
    """Write an AttributeProto that holds a graph."""
    return text(1, name) + part(6, graph) + number(20, 5)


def tensor(name: str, values: np.ndarray) -> bytes:
    """Write a TensorProto of numbers, or of strings where `values` is an array of objects."""
    shape = b"".join(number(1, size) for size in values.shape)
    if values.dtype == object:
        words = b"".join(text(6, word) for word in values.ravel().tolist())
        return shape + number(2, STRING) + words + text(8, name)
    kind = _DATA_TYPES[values.dtype.name]
    return shape + number(2, kind) + text(8, name) + part(9, _little_endian(values))


def external_tensor(name: str, shape: Sequence[int], **entries: object) -> bytes:
    """Write a TensorProto of float32 whose values lie in another file: `location`, `offset`, `length`."""
    sizes = b"".join(number(1, size) for size in shape)
    data = b"".join(part(13, text(1, key) + text(2, str(value))) for key, value in entries.items())
    return sizes + number(2, FLOAT) + text(8, name) + data + number(14, _EXTERNAL)


def value(name: str, kind: int, *shape: int | str) -> bytes:
    """Write a ValueInfoProto: name, type and shape of an input or output; a string is a size of any length."""
    sizes = [number(1, size) if isinstance(size, int) else text(2, size) for size in shape]
    return text(1, name) + part(2, part(1, number(1, kind) + part(2, b"".join(part(1, s) for s in sizes))))


def number(field: int, value: int) -> bytes:
    """Write an integer field, as a varint."""
    return _varint(field << 3) + _varint(value)


def text(field: int, value: str) -> bytes:
    """Write a string field."""
    return part(field, value.encode())


def part(field: int, value: bytes) -> bytes:
    """Write a field of bytes, or of a message."""
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _little_endian(values: np.ndarray) -> bytes:
    return values.astype(values.dtype.newbyteorder("<")).tobytes()
