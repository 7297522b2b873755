"""Time graphs on the same windows, in turn, by the processor time of one thread."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan.engine.providers import SLOWER_WHEN_FUSED
from clinspan_export.quiet import import_onnxruntime

_RUNS = 5
# An id that every vocabulary has, and that is nobody's padding.
_ANY_TOKEN = 5


def speedup(before: Path, after: Path, windows: Sequence[npt.NDArray[np.int64]]) -> float:
    """How many times as fast one graph runs as another.

    Args:
        before: .onnx file.
        after: .onnx file.
        windows: token ids, int64 (1, t) each.
    """
    first, second = _seconds([before, after], windows)
    return first / second


def window_ms(graphs: Mapping[str, Path], tokens: int) -> dict[str, float]:
    """Milliseconds of processor time that one window takes each graph, by the name of its precision.

    Args:
        graphs: precision -> .onnx file.
        tokens: that the window has, special tokens among them.
    """
    window = np.full((1, tokens), _ANY_TOKEN, dtype=np.int64)
    seconds = _seconds(list(graphs.values()), [window])
    return {name: round(1e3 * one, 2) for name, one in zip(graphs, seconds, strict=True)}


def _seconds(graphs: Sequence[Path], windows: Sequence[npt.NDArray[np.int64]]) -> list[float]:
    """Seconds that each graph takes for all windows, the best of some runs of each."""
    sessions = [_session(path) for path in graphs]
    totals = [0.0] * len(sessions)
    for ids in windows:
        best = [math.inf] * len(sessions)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        for _ in range(_RUNS):
            for number, session in enumerate(sessions):
                begun = time.thread_time()
                session.run(None, {node.name: feed[node.name] for node in session.get_inputs()})
                best[number] = min(best[number], time.thread_time() - begun)
        totals = [total + one for total, one in zip(totals, best, strict=True)]
    return totals


def _session(path: Path) -> Any:
    """The graph as the runtime runs it: on one thread."""
    onnxruntime = import_onnxruntime()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        str(path),
        settings,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=SLOWER_WHEN_FUSED["cpu"],
    )
