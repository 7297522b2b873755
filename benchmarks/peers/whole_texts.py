"""The measurements of one variant for whole texts, in a process that does nothing else."""

from __future__ import annotations

import json
import os
import time
import warnings
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.run import usage

Answer = dict[str, Any]

# Enough for a steady figure, and few enough for rounds in turn.
_LONE_CALLS = 60


def measure(settings: Answer) -> Answer:
    """Time one variant, and compare its rows with the first one's.

    Args:
        settings: `kind`, a module of this package with `VARIANTS`; `variant`, `bundle`, `checkpoint`, `folder`, `threads`;
            `texts`, a file of JSON lines with a text or a pair each; `reference`, a .npy file with the rows that they
            should have, written if it is missing.
    """
    started = float(os.environ["BENCH_STARTED"])
    lines = Path(settings["texts"]).read_text(encoding="utf-8").splitlines()
    texts = [tuple(text) if isinstance(text, list) else text for text in map(json.loads, lines)]
    warnings.simplefilter("ignore")
    run = import_module(f"benchmarks.peers.{settings['kind']}").VARIANTS[settings["variant"]](settings)
    run(texts[:1])
    answer: Answer = {"first_answer_s": time.time() - started}
    run(texts[:64])
    began, used = time.perf_counter(), time.process_time()
    found = np.asarray(run(texts), dtype=np.float32)
    answer["texts_per_s"] = len(texts) / (time.perf_counter() - began)
    # Hardly depends on what else the machine does.
    answer["cpu_ms_a_text"] = 1000 * (time.process_time() - used) / len(texts)
    for text in texts[:5]:
        run([text])
    time.sleep(1)  # whatever loads in the background after the first calls is done by now
    times = []
    for text in texts[:_LONE_CALLS]:
        began = time.perf_counter()
        run([text])
        times.append(1000 * (time.perf_counter() - began))
    answer["lone_text_ms"] = median(times)
    answer["peak_mb"] = usage.peak()
    reference = Path(settings["reference"])
    if not reference.is_file():
        np.save(reference, found)
    expected = np.load(reference)
    answer["largest_difference"] = float(np.abs(found - expected).max())
    if settings["kind"] == "vectors":
        answer["least_cosine"] = float((found * expected).sum(axis=1).min())
    else:
        answer["agreement"] = float((found.argmax(axis=1) == expected.argmax(axis=1)).mean())
    return answer
