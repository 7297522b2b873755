"""Do the parts of a bundle fit together? What would fail on some note later fails once, on load."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from clinspan.bundle.integrity import FileRecord, check_name
from clinspan.bundle.manifest import Bundle
from clinspan.bundle.onnx_operators import check_operators
from clinspan.bundle.onnx_scan import Outline
from clinspan.engine.providers import CPU_PROVIDER
from clinspan.engine.session import Session
from clinspan.errors import BundleError, InferenceError
from clinspan.strict_json import brief
from clinspan.text.tokenizer import Tokenizer


def check_frame(bundle: Bundle, tokenizer: Tokenizer) -> None:
    """Check that a full window and its special tokens have positions.

    Raises:
        BundleError: the model can read fewer tokens.
    """
    special = len(tokenizer.prefix) + len(tokenizer.suffix)
    if bundle.window + special > bundle.max_window + 2:
        raise BundleError(
            f"window {bundle.window} and {special} special tokens are more than the model's "
            f"{bundle.max_window + 2} positions"
        )


def check_graph(bundle: Bundle, precision: str, outline: Outline) -> None:
    """Check, before onnxruntime sees a model, its operators and its files.

    Raises:
        BundleError: an operator is not one that encoders need, or a tensor lies elsewhere.
    """
    record = bundle.models[precision]
    path = bundle.path / record.path
    check_operators(outline, path)
    for tensor, place in outline.external.items():
        _check_external(path, tensor, place, record)


def check_rows(bundle: Bundle, precision: str, rows: Mapping[str, int], tokenizer: Tokenizer) -> None:
    """Check that a model has a row for every token.

    Args:
        bundle: of the model.
        precision: of the model.
        rows: of its tables, by name.
        tokenizer: of the bundle.

    Raises:
        BundleError: a table is too short.
    """
    largest = tokenizer.largest_id
    for table, count in rows.items():
        if largest >= count:
            raise BundleError(
                f"{bundle.tokenizer.path} has token ids up to {largest}, and {brief(table)} in "
                f"{bundle.models[precision].path} has rows for 0 to {count - 1}: they do not belong together"
            )


def _check_external(path: Path, tensor: str, place: str, record: FileRecord) -> None:
    if record.data is not None and place == Path(record.data.path).name:
        return
    if record.sha256:
        raise BundleError(
            f"{path} keeps the tensor {brief(tensor)} in another file, {brief(place)}, of which the bundle "
            "records no hash"
        )
    try:
        check_name(place)
        found = (path.parent / place).is_file()
    except (BundleError, OSError):
        found = False
    if not found:
        raise BundleError(
            f"{path} keeps the tensor {brief(tensor)} in {brief(place)}, which is not a file beside it"
        )


def check_answer(bundle: Bundle, precision: str, session: Session, tokenizer: Tokenizer) -> None:
    """Run a model once, on its special tokens around the largest token id and the unknown token.

    A bundle whose exporter did not compare the model over full windows is run on a full one, so that a model
    with fewer positions than it claims fails now. With `verify` off nothing is run.

    Raises:
        BundleError: it does not run, or its logits are of the wrong shape or not finite.
    """
    if bundle.verify == "off":
        return
    content = np.array([tokenizer.largest_id, tokenizer.unknown_id], dtype=np.int64)
    if not bundle.parity:
        content = np.resize(content, bundle.window)
    ids = np.stack([tokenizer.frame(content)] * 2)
    ids[1, -1] = tokenizer.pad_id
    mask = np.ones_like(ids)
    mask[1, -1] = 0
    try:
        # Windows run one by one on CPU, so a model that takes one row only will do there.
        rows = 1 if session.provider == CPU_PROVIDER else 2
        session.run(ids[:rows], mask[:rows])
    except InferenceError as error:
        raise BundleError(
            f"{bundle.path / bundle.models[precision].path} gives no answer: {error}"
        ) from error
