"""Which operators a graph may use: those that encoders need. Others can end the process, or never end.

An integer division by zero, or of the least integer by -1, ends the process on some versions of onnxruntime, as do
malformed nodes of rare operators; loops and functions need not end; a branch does (DeBERTa's export has some). So operators are allowed by name, and a division is
allowed where it provably divides floats, or by a constant.
"""

from __future__ import annotations

from pathlib import Path

from clinspan.bundle.onnx_scan import Node, Outline, Tensor
from clinspan.errors import BundleError
from clinspan.strict_json import brief

# Element types of onnx.TensorProto.DataType.
_FLOATS = {1, 10, 11, 16}
_INTEGERS = {2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 12: 4, 13: 8}

# Give floats, whatever they are given, or take nothing else.
_GIVE_FLOATS = {
    "Acos", "Asin", "Atan", "BiasGelu", "Ceil", "Cos", "DequantizeLinear", "DynamicQuantizeMatMul", "Elu",
    "Erf", "Exp", "FastGelu", "Floor", "FusedMatMul", "Gelu", "HardSigmoid", "HardSwish",
    "InstanceNormalization", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax", "MatMulIntegerToFloat",
    "Mish", "QuickGelu", "RMSNormalization", "Reciprocal", "ReduceMean", "Round", "Selu", "Sigmoid",
    "SimplifiedLayerNormalization", "Sin", "SkipLayerNormalization", "SkipSimplifiedLayerNormalization",
    "Softmax", "Softplus", "Softsign", "Sqrt", "Tanh",
}  # fmt: skip
# Give the kind of number that they are given first; "Where" second.
_KEEP_THE_KIND = {
    "Abs", "Add", "Clip", "Concat", "CumSum", "Div", "Expand", "Flatten", "Gather", "GatherElements",
    "GatherND", "Gemm", "Identity", "MatMul", "Max", "Min", "Mod", "Mul", "Neg", "Pad", "Pow", "ReduceL1",
    "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare",
    "Relu", "Reshape", "ScatterElements", "ScatterND", "Sign", "Slice", "Split", "Squeeze", "Sub", "Sum",
    "Tile", "TopK", "Transpose", "Trilu", "Unsqueeze",
}  # fmt: skip
_OTHERS = {
    "And", "ArgMax", "ArgMin", "Attention", "Cast", "CastLike", "Constant", "ConstantOfShape", "Conv",
    "Dropout", "DynamicQuantizeLinear", "Einsum", "EmbedLayerNormalization", "Equal", "Greater",
    "GreaterOrEqual", "If", "IsNaN", "Less", "LessOrEqual", "MatMulInteger", "MultiHeadAttention", "NonZero",
    "Not", "OneHot", "Or", "QAttention", "QLinearMatMul", "QuantizeLinear", "Range", "Shape", "Size",
    "Where", "Xor",
}  # fmt: skip
OPERATORS = _GIVE_FLOATS | _KEEP_THE_KIND | _OTHERS
_DOMAINS = {"", "ai.onnx", "com.microsoft"}
_UNUSUAL = {
    "function": "functions of its own",
    "size": "more than 100,000 nodes and constants",
    "training": "a part for training",
    "sparse": "sparse tensors",
    "tensors": "attributes of several tensors",
}
# More steps back than a chain of nodes that keep a number's kind has.
_LONGEST_CHAIN = 200


def check_operators(outline: Outline, path: Path) -> None:
    """Raise BundleError where a graph uses what encoders do not need."""
    hint = "an encoder needs none of it; whoever trusts the file loads it with LoadOptions(verify='off')"
    for part in sorted(outline.unusual):
        raise BundleError(f"{path} has {_UNUSUAL[part]}: {hint}")
    for node in outline.nodes:
        if (
            node.operator not in OPERATORS
            or node.domain not in _DOMAINS
            or (node.graphs and node.operator != "If")
        ):
            name = f"{node.domain}.{node.operator}".lstrip(".")
            raise BundleError(f"{path} uses the operator {brief(name)}: {hint}")
    if any(node.operator in ("Div", "Mod", "Conv") for node in outline.nodes):
        _check_numbers(outline, path, hint)


def _check_numbers(outline: Outline, path: Path, hint: str) -> None:
    makers: dict[bytes, Node] = {}
    for node in outline.nodes:
        for output in node.outputs:
            if output in makers or output in outline.constants:
                outline.repeated.add(output)
            makers[output] = node
    for node in outline.nodes:
        if node.operator in ("Div", "Mod") and not _divides_safely(node, outline, makers):
            raise BundleError(f"{path} divides integers by a value that is not a constant: {hint}")
        if node.operator == "Conv":
            weight = outline.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
            if weight is None or len(weight.dims) != 3:
                raise BundleError(f"{path} has a convolution that is not over a line of tokens: {hint}")


def _divides_safely(node: Node, outline: Outline, makers: dict[bytes, Node]) -> bool:
    if len(node.inputs) != 2:
        return False
    if any(_is_float(name, outline, makers) for name in node.inputs):
        return True
    divisor = _constant(node.inputs[1], outline, makers)
    return divisor is not None and divisor.kind in _INTEGERS and _is_harmless(divisor)


def _is_harmless(divisor: Tensor) -> bool:
    """Whether none of a few constant integers is 0 or -1."""
    if not divisor.few:
        return False
    # What is not raw bytes was read as int64.
    width = _INTEGERS[divisor.kind] if len(divisor.few) % 8 else 8
    width = (
        _INTEGERS[divisor.kind] if _elements(divisor) * _INTEGERS[divisor.kind] == len(divisor.few) else width
    )
    parts = [divisor.few[at : at + width] for at in range(0, len(divisor.few), width)]
    numbers = [int.from_bytes(part, "little", signed=True) for part in parts]
    return len(numbers) == _elements(divisor) and not {0, -1} & set(numbers)


def _elements(tensor: Tensor) -> int:
    count = 1
    for size in tensor.dims:
        count *= size
    return count


def _constant(name: bytes, outline: Outline, makers: dict[bytes, Node]) -> Tensor | None:
    if name in outline.repeated:
        return None
    maker = makers.get(name)
    if maker is not None and maker.operator == "Constant":
        return maker.tensors.get(b"value")
    return outline.constants.get(name)


def _is_float(name: bytes, outline: Outline, makers: dict[bytes, Node]) -> bool:
    """Whether a value is known to be a float: followed back to what made it."""
    for _ in range(_LONGEST_CHAIN):
        constant = _constant(name, outline, makers)
        if constant is not None:
            return constant.kind in _FLOATS
        maker = makers.get(name)
        if maker is None or not maker.inputs or name in outline.repeated:
            return False
        if maker.operator == "Cast":
            return maker.integers.get(b"to") in _FLOATS
        if maker.operator in _GIVE_FLOATS:
            return True
        place = 1 if maker.operator == "Where" else 0
        if maker.operator not in _KEEP_THE_KIND | {"Where", "Dropout"} or len(maker.inputs) <= place:
            return False
        name = maker.inputs[place]
    return False
