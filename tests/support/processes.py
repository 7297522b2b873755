"""What tests of threads, processes and memory share: a bundle of a few kilobytes, and scripts on their own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from clinspan.bundle.integrity import record_file
from clinspan.bundle.manifest import Bundle
from clinspan.text.labels import detect
from tests.support import example_notes, small_tokenizers

LABELS = ["O", "B-PROBLEM", "I-PROBLEM", "B-DRUG", "I-DRUG"]


def bundle(folder: Path, seed: int = 0) -> Path:
    """Write a bundle whose model looks the logits of a token up in a table; another seed, another table."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    (folder / "onnx").mkdir(parents=True)
    tokenizer = small_tokenizers.wordpiece(
        path.read_text(encoding="utf-8") for path in example_notes.EXAMPLES
    )
    small_tokenizers.save(tokenizer, folder)
    size = (tokenizer.get_vocab_size(), len(LABELS))
    table = np.random.default_rng(seed).normal(size=size).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["logits"])],
        "table",
        [helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["b", "t"])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["b", "t", len(LABELS)])],
        [onnx.numpy_helper.from_array(table, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "onnx" / "model.onnx").write_bytes(model.SerializeToString())
    Bundle(
        path=folder,
        name=f"table {seed}",
        labels=detect(LABELS),
        models={"fp32": record_file(folder, "onnx/model.onnx")},
        tokenizer=record_file(folder, "tokenizer.json"),
    ).write_manifest()
    return folder


def run(script: str, *arguments: object, timeout: float = 60, stdin: str = "") -> str:
    """Run a script of its own process to a good end and give what it printed; it may not say anything else.

    Python's own warning about forks with threads is left out: there is a promise to test behind it.
    """
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, input=stdin, cwd=example_notes.ROOT
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def threads() -> list[str]:
    """Names of the threads that clinspan runs."""
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("clinspan"))


def wait_for_the_wide_session() -> None:
    """Wait until no model is loading in the background."""
    for thread in threading.enumerate():
        if thread.name == "clinspan-load":
            thread.join()


def tasks() -> int:
    """Threads of this process, those of onnxruntime included."""
    if not Path("/proc/self/task").is_dir():
        pytest.skip("this system does not list the threads of a process")
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - the names are not needed


def settled(limit: int, seconds: float = 10.0) -> bool:
    """Whether this process comes down to so many threads; those that ended take a moment to go."""
    end = time.monotonic() + seconds
    while tasks() > limit and time.monotonic() < end:
        time.sleep(0.02)
    return tasks() <= limit


def resident() -> float:
    """Megabytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
