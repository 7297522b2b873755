"""Where a window spends its time: outside onnxruntime, and inside it."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.peers import ours
from benchmarks.run.harness import Answer, options_parser
from benchmarks.run.notes import SHORT, read_notes
from benchmarks.run.record import save
from clinspan import Recognizer
from clinspan.bundle.loading import STARTER, Loaded
from clinspan.bundle.manifest import open_bundle
from clinspan.pipeline import TokenizedNote, note_spans, window_ids, window_words
from clinspan.text.decode import label_table
from clinspan.text.windows import plan

TOKENS = 190


def overhead(arguments: Sequence[str]) -> None:
    """Measure time outside `session.run`: tokenizing, planning windows, reading logits, making spans.

    python -m benchmarks overhead --bundle BUNDLE --notes DIR          about 1 minute for BERT-base

    One thread, in CPU time of that thread, so that other work on the machine hardly shows. Each text is read by a recognizer, with
    a clock around onnxruntime's own `run`, and then step by step; what the steps do not account for is the rest.
    """
    parser = options_parser(overhead.__doc__, "notes", "name")
    parser.add_argument("--bundle", help="default: the starter")
    parser.add_argument("--calls", type=int, default=60, help="of short messages; of long notes a fourth")
    options = parser.parse_args(arguments)
    notes = sorted(read_notes(options.notes), key=len)
    parts = ours.loaded(options.bundle or STARTER)
    rows = [
        {"texts": "short_messages", **_shares(parts, [SHORT], options.calls)},
        {"texts": "long_notes", **_shares(parts, notes[-10:], max(1, options.calls // 4))},
    ]
    settings = {
        "bundle": options.bundle or "starter",
        "notes": Path(options.notes).name,
        "threads": 1,
        "calls": options.calls,
    }
    save("overhead", rows, settings, name=options.name)


def _shares(parts: Loaded, texts: Sequence[str], calls: int) -> Answer:
    """Median share outside `session.run`, and the mean share of each step, over calls of one text each."""
    recognizer = Recognizer(parts)
    outside: list[float] = []
    plain: list[float] = []
    steps: dict[str, float] = {}
    for text in [texts[-1], *(texts[number % len(texts)] for number in range(calls))]:
        plain.append(_seconds(partial(recognizer.recognize, text)))
        with _clocked_runs() as runs:
            took = _seconds(partial(recognizer.recognize, text))
            in_run = sum(runs)
            runs.clear()
            seconds = _steps(parts, text)
            seconds["around_session_run"] -= sum(runs)
        seconds["session_run"] = in_run
        seconds["rest"] = took - sum(seconds.values())
        outside.append(1 - in_run / took)
        if len(outside) > 1:  # the first call warms up
            steps = {name: steps.get(name, 0.0) + took for name, took in seconds.items()}
    whole = sum(steps.values())
    return {
        "share_outside_session_run": median(outside[1:]),
        "cpu_ms_per_text": median(plain[1:]) * 1000,
        "parts": {name: seconds / whole for name, seconds in steps.items()},
    }


@contextmanager
def _clocked_runs() -> Iterator[list[float]]:
    """Collect the CPU seconds of each `run` of onnxruntime's sessions."""
    run, taken = onnxruntime.InferenceSession.run, []

    def clocked(*arguments: Any) -> Any:
        began = time.thread_time()
        found = run(*arguments)
        taken.append(time.thread_time() - began)
        return found

    with patch.object(onnxruntime.InferenceSession, "run", clocked):
        yield taken


def _steps(parts: Loaded, text: str) -> dict[str, float]:
    """CPU seconds of each step from a text to its spans, runs of the model included in what is around them."""
    table, words, clock = label_table(parts.bundle.labels), [], time.thread_time
    began = clock()
    encoding = parts.tokenizer.encode(text)
    tokenized = clock()
    windows = plan(encoding.cuts, window=parts.bundle.window, overlap=parts.bundle.overlap)
    planned = clock()
    note, running, reading = TokenizedNote(text, encoding, windows), 0.0, 0.0
    for window in windows:
        before = clock()
        logits = parts.model.logits(window_ids(note, window))
        ran = clock()
        words.append(window_words(note, window, logits, parts.bundle.aggregation))
        running, reading = running + ran - before, reading + clock() - ran
    found = _seconds(partial(note_spans, note, words, table))
    return {
        "tokenizer": tokenized - began,
        "windows": planned - tokenized,
        "around_session_run": running,
        "words_from_logits": reading,
        "spans_from_words": found,
    }


def peak(arguments: Sequence[str]) -> None:
    """Measure the model's int8 products in a window beside onnxruntime's own int8 product alone.

    python -m benchmarks peak --bundle BUNDLE

    One thread, CPU time, all in turn in one process; half a minute. The share counts everything else in a window (attention,
    LayerNorm, GELU ...) as time lost, so it is a lower bound of how well the int8 kernels are used; what that everything is
    stands beside it, as onnxruntime's own profile of the same window. The same product in fp32 says how far apart int8 and
    fp32 can be on this CPU.
    """
    parser = options_parser(peak.__doc__, "bundle", "name")
    parser.add_argument("--runs", type=int, default=30, help="windows of each (default: %(default)s)")
    options = parser.parse_args(arguments)
    shapes = _product_shapes(Path(options.bundle, open_bundle(options.bundle).models["int8"].path))
    operations = sum(2 * TOKENS * rows * columns for rows, columns in shapes)
    rows, columns = max(set(shapes), key=lambda shape: shape[0] * shape[1])
    model = ours.loaded(options.bundle).model
    ids = np.random.default_rng(0).integers(1000, 20000, TOKENS, dtype=np.int32)
    product, in_fp32 = _product(rows, columns), _product(rows, columns, fp32=True)
    windows, products, others = [], [], []
    for _ in range(options.runs):
        windows.append(_seconds(lambda: model.logits(ids)))
        products.append(_seconds(product))
        others.append(_seconds(in_fp32))
    reached = operations / median(windows) / 1e12
    alone = 2 * TOKENS * rows * columns / median(products) / 1e12
    ratios = [slow / fast for slow, fast in zip(others, products, strict=True)]
    summary = {
        "tera_operations_per_s_in_a_window": reached,
        "tera_operations_per_s_of_a_product": alone,
        "share": reached / alone,
        "product_times_faster_than_fp32": median(ratios),
    }
    settings = {"bundle": options.bundle, "tokens": TOKENS, "product_rows": rows, "product_columns": columns}
    save("peak", _operators(options.bundle, ids, options.runs), settings, summary=summary, name=options.name)


def _product_shapes(path: Path) -> list[tuple[int, int]]:
    """Shapes of the int8 weight matrices that products of the model read."""
    graph = onnx.load(path, load_external_data=False).graph
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    return [
        (weights[node.input[1]][0], weights[node.input[1]][1])
        for node in graph.node
        if node.op_type == "MatMulInteger" and node.input[1] in weights
    ]


def _operators(bundle: str, ids: Any, runs: int) -> list[Answer]:
    """Share of each operator's time in a window, largest first, from onnxruntime's profiler."""
    with tempfile.TemporaryDirectory() as work:
        profiled = {"enable_profiling": True, "profile_file_prefix": str(Path(work, "profile"))}
        model = ours.loaded(bundle, session_options=profiled).model
        for _ in range(runs):
            model.logits(ids)
        model.close()  # ends the session, which then writes its profile
        (file,) = Path(work).iterdir()
        events = json.loads(file.read_text(encoding="utf-8"))
    times: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            times[event["args"]["op_name"]] += event["dur"]
    whole = sum(times.values())
    return [
        {"operator": name, "share": spent / whole}
        for name, spent in times.most_common()
        if spent >= 0.005 * whole
    ]


def _product(rows: int, columns: int, *, fp32: bool = False) -> Callable[[], Any]:
    rng = np.random.default_rng(0)
    weights = {
        "weight": rng.integers(-127, 128, (rows, columns)).astype(np.int8),
        "scale": np.full(columns, 0.01, np.float32),
        "zero": np.zeros(columns, np.int8),
    }
    node = helper.make_node("DynamicQuantizeMatMul", ["x", *weights], ["y"], domain="com.microsoft")
    if fp32:
        weights = {"weight": rng.standard_normal((rows, columns)).astype(np.float32)}
        node = helper.make_node("MatMul", ["x", "weight"], ["y"])
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, rows])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, columns])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )
    feed = {"x": rng.standard_normal((TOKENS, rows)).astype(np.float32)}
    return lambda: session.run(None, feed)


def _seconds(call: Callable[[], Any]) -> float:
    """CPU seconds of this thread that a call takes."""
    began = time.thread_time()
    call()
    return time.thread_time() - began
