"""What each choice is worth: one changed at a time, all else clinspan's default, BERT-base int8 or your own bundle.

    python -m benchmarks.effects --bundle BUNDLE --notes DIR --work DIR            2 minutes a round, 1 before the first
    python -m benchmarks.effects ... --choices window "graph"                        only these

Every setting has a process of its own; rounds go through all settings in turn, so that drift hits all alike, and each ratio
is the median over rounds of the ratio to the default in the same round. CPU seconds stand beside the time: they show what
another setting costs where time shows only what idle cores take. Quality beside windows and overlap: `benchmarks.quality`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import graphs
from benchmarks.harness import ROOT, medians
from benchmarks.record import save

# Options of Recognizer.load, and: `batch`, padded windows a run; `fuse`, SkipLayerNormalization fused; `graph`, another
# file of benchmarks.graphs. The first of each choice is the default.
Setting = Mapping[str, Any]
_SPINNING = {"session.intra_op.allow_spinning": "1"}
CHOICES: dict[str, dict[str, Setting]] = {
    "window": {
        "190 tokens": {},
        "64 tokens": {"window": 64},
        "128 tokens": {"window": 128},
        "254 tokens": {"window": 254},
        "510 tokens": {"window": 510},
    },
    "overlap": {
        "none": {},
        "16 tokens": {"overlap": 16},
        "32 tokens": {"overlap": 32},
        "64 tokens": {"overlap": 64},
    },
    "batch, on one core": {
        "one window a run": {"threads": 1},
        "4 padded windows": {"threads": 1, "batch": 4},
        "8 padded windows": {"threads": 1, "batch": 8},
    },
    "precision": {"int8": {}, "fp32": {"precision": "fp32"}},
    "graph": {
        "clinspan's, all optimizations but SkipLayerNormalization": {},
        "SkipLayerNormalization fused too": {"fuse": True},
        "extended optimizations": {"session_options": {"graph_optimization_level": "ORT_ENABLE_EXTENDED"}},
        "basic optimizations": {"session_options": {"graph_optimization_level": "ORT_ENABLE_BASIC"}},
        "no optimizations at load": {"session_options": {"graph_optimization_level": "ORT_DISABLE_ALL"}},
        "plain dynamic int8": {"graph": "plain"},
        "attention fused (onnxruntime.transformers), then int8": {"graph": "fused"},
        "all optimizations done before, none at load": {"graph": "optimized"},
    },
    "spinning threads": {"off": {}, "on": {"session_options": _SPINNING}},
    "workers x threads of each": {
        "2 x 1": {"threads": 2},
        "1 x 1": {"threads": 1},
        "1 x 2": {"threads": 1, "session_options": {"intra_op_num_threads": 2}},
        "2 x 2": {"threads": 2, "session_options": {"intra_op_num_threads": 2}},
        "1 x 2, spinning": {"threads": 1, "session_options": {"intra_op_num_threads": 2, **_SPINNING}},
    },
}


def main() -> None:
    """Measure all settings, round by round."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", required=True, help="bundle with int8 and fp32")
    parser.add_argument("--notes", required=True, help="folder of .txt notes")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for other graphs, kept for next time"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", type=int, default=5, help="read every so many-th note")
    parser.add_argument("--choices", nargs="*", default=list(CHOICES), choices=list(CHOICES))
    parser.add_argument("--name", default="effects")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(_measure(options, json.loads(options.step))))
        return
    graphs.make_all(Path(options.bundle), options.work)
    rounds: dict[str, dict[str, list[dict[str, Any]]]] = {
        choice: {name: [] for name in CHOICES[choice]} for choice in options.choices
    }
    for number in range(options.rounds):
        for choice, answers in rounds.items():
            for name in answers:
                print(f"round {number + 1}: {choice}: {name}", file=sys.stderr)
                answers[name].append(_ask(CHOICES[choice][name]))
    save(
        options.name,
        {choice: _summary(answers) for choice, answers in rounds.items()},
        bundle=Path(options.bundle).name,
        notes=Path(options.notes).name,
        threads=options.threads,
        rounds=options.rounds,
        every=options.every,
    )


def _summary(answers: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians of each setting, and its ratios to the first one, round by round."""
    first = next(iter(answers.values()))
    summary = {}
    for name, rows in answers.items():
        pairs = list(zip(rows, first, strict=True))
        summary[name] = {
            **medians(rows),
            "speed, times the default": median(row["kchars/s"] / base["kchars/s"] for row, base in pairs),
            "CPU time, times the default": median(row["CPU s"] / base["CPU s"] for row, base in pairs),
        }
    return summary


def _ask(setting: Setting) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.effects", *sys.argv[1:], "--step", json.dumps(setting)]
    path = os.pathsep.join(str(ROOT / part) for part in ("", "src"))
    done = subprocess.run(
        command, stdout=subprocess.PIPE, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _measure(options: argparse.Namespace, setting: dict[str, Any]) -> dict[str, Any]:
    import clinspan.engine.session
    from clinspan import Recognizer

    notes = [p.read_text(encoding="utf-8") for p in sorted(Path(options.notes).glob("*.txt"))]
    notes = notes[:: options.every]
    batch, fuse, graph = (setting.pop(name, None) for name in ("batch", "fuse", "graph"))
    if fuse:
        clinspan.engine.session._SLOWER_WHEN_FUSED = {}
    load: dict[str, Any] = {"precision": "int8", "threads": options.threads, **setting}
    if graph:
        load |= {"window": 190, "overlap": 0}
    began = time.perf_counter()
    level = load.get("session_options", {}).get("graph_optimization_level")
    if level or graph == "optimized":
        import onnxruntime

        chosen = getattr(onnxruntime.GraphOptimizationLevel, level or "ORT_DISABLE_ALL")
        load["session_options"] = {**load.get("session_options", {}), "graph_optimization_level": chosen}
    recognizer = Recognizer.load(graphs.folder(options.work, graph) if graph else options.bundle, **load)
    loaded = time.perf_counter() - began
    if batch:
        recognizer._batch_tokens = batch * recognizer.report().window
    list(recognizer.pipe(notes[:1]))
    began, busy = time.perf_counter(), time.process_time()
    spans = sum(map(len, recognizer.pipe(notes)))
    took, busy = time.perf_counter() - began, time.process_time() - busy
    return {
        "kchars/s": sum(map(len, notes)) / took / 1000,
        "CPU s": busy,
        "seconds to load": loaded,
        "spans": spans,
    }


if __name__ == "__main__":
    main()
