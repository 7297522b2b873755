"""The effect of each choice: options of `Recognizer.load` changed one at a time, the others at their defaults."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.peers import other_graphs, ours
from benchmarks.peers.our_windows import in_our_windows
from benchmarks.run.harness import Answer, ask, in_turn, medians, options_parser
from benchmarks.run.notes import COPIED, daily_notes, read_notes
from benchmarks.run.record import save

# Options of Recognizer.load, and: `batch`, padded windows a run; `graph`, another file of benchmarks.peers.other_graphs.
# The first of each choice is the default.
Setting = Mapping[str, Any]
_SPINNING = {"session.intra_op.allow_spinning": "1"}
CHOICES: dict[str, dict[str, Setting]] = {
    "window": {
        "tokens_190": {},
        **{f"tokens_{tokens}": {"window": tokens} for tokens in (64, 128, 254, 510)},
    },
    "overlap": {"none": {}, **{f"tokens_{tokens}": {"overlap": tokens} for tokens in (16, 32, 64)}},
    "batch": {
        "one_window": {"threads": 1},
        **{f"padded_windows_{count}": {"threads": 1, "batch": count} for count in (4, 8)},
    },
    "precision": {"int8": {}, "fp32": {"precision": "fp32"}},
    "graph": {
        "as_exported": {},
        "skip_layer_norm_fused": {"graph": "skip_layer_norm"},
        "extended": {"level": "ORT_ENABLE_EXTENDED"},
        "basic": {"level": "ORT_ENABLE_BASIC"},
        "unoptimized": {"level": "ORT_DISABLE_ALL"},
        "plain": {"graph": "plain"},
        "attention_fused": {"graph": "fused"},
        "optimized_before": {"graph": "optimized"},
    },
    "spinning": {"off": {}, "on": {"session_options": _SPINNING}},
    "workers": {
        "two_of_one_thread": {"threads": 2},
        "one_of_one_thread": {"threads": 1},
        "one_of_two_threads": {"threads": 1, "session_options": {"intra_op_num_threads": 2}},
        "two_of_two_threads": {"threads": 2, "session_options": {"intra_op_num_threads": 2}},
        "one_of_two_spinning": {"threads": 1, "session_options": {"intra_op_num_threads": 2, **_SPINNING}},
    },
}
_REUSE = {"reuse_512": 512, "same_windows_forgotten": 1, "reuse_off": 0}


def effects(arguments: Sequence[str]) -> None:
    """Measure what each choice is worth: one changed at a time, all else clinspan's default.

    python -m benchmarks effects --bundle BUNDLE --notes DIR --work DIR     2 minutes a round, 1 before the first
    python -m benchmarks effects ... --choices window graph                 only these

    Every setting has a process of its own; rounds go through all settings in turn, so that drift hits all alike, and each
    ratio is the median over rounds of the ratio to the default in the same round. CPU seconds stand beside the time: they
    show what another setting costs where time shows only what idle cores take. Quality beside windows and overlap: `quality`.
    """
    parser = options_parser(effects.__doc__, "bundle", "notes", "work", "threads", "rounds", "name")
    parser.add_argument("--every", type=int, default=5, help="read every note, every second one ...")
    parser.add_argument("--choices", nargs="*", default=list(CHOICES), choices=list(CHOICES))
    options = parser.parse_args(arguments)
    if "graph" in options.choices:
        other_graphs.make_all(Path(options.bundle), Path(options.work))
    settings = {f"{choice}/{name}": s for choice in options.choices for name, s in CHOICES[choice].items()}
    answers = in_turn(
        settings, options.rounds, lambda name: ask(read_with, {**vars(options), "setting": settings[name]})
    )
    rows = []
    for name, given in answers.items():
        choice, _, setting = name.partition("/")
        default = answers[f"{choice}/{next(iter(CHOICES[choice]))}"]
        ratios = {
            f"{key}_times_default": median(a[key] / b[key] for a, b in zip(given, default, strict=True))
            for key in ("kchars_per_s", "cpu_s")
        }
        rows.append({"choice": choice, "setting": setting, **medians(given), **ratios})
    asked = {
        "bundle": options.bundle,
        "notes": Path(options.notes).name,
        **{name: getattr(options, name) for name in ("threads", "rounds", "every")},
    }
    save("effects", rows, asked, name=options.name)


def read_with(asked: Answer) -> Answer:
    """Read the notes with one setting."""
    import onnxruntime

    setting: dict[str, Any] = {"threads": asked["threads"], **asked["setting"]}
    notes = read_notes(asked["notes"], asked["every"])
    batch, graph, level = (setting.pop(name, None) for name in ("batch", "graph", "level"))
    bundle = asked["bundle"]
    if graph:
        bundle = str(other_graphs.folder(Path(asked["work"]), graph))
        setting |= {"window": 190, "overlap": 0}
        level = "ORT_DISABLE_ALL" if graph in other_graphs.OPTIMIZED else None
    if level:
        setting["session_options"] = {
            "graph_optimization_level": getattr(onnxruntime.GraphOptimizationLevel, level)
        }
    began = time.perf_counter()
    if batch:
        parts = ours.loaded(bundle)
        run = in_our_windows(parts.bundle, parts.model.batch, batch=batch)
    else:
        run = ours.clinspan(
            bundle=bundle,
            threads=setting.pop("threads"),
            precision=setting.pop("precision", "int8"),
            load=setting,
        )
    loaded = time.perf_counter() - began
    run(notes[:1])
    began, busy = time.perf_counter(), time.process_time()
    spans = sum(map(len, run(notes)))
    took, busy = time.perf_counter() - began, time.process_time() - busy
    return {
        "kchars_per_s": sum(map(len, notes)) / took / 1000,
        "cpu_s": busy,
        "load_s": loaded,
        "spans": spans,
    }


def reuse(arguments: Sequence[str]) -> None:
    """Measure what reuse gains on notes that copy each other: 30 made-up daily notes, 60 % of each copied forward.

    python -m benchmarks reuse --bundle BUNDLE

    Each round runs the same series in three processes: with reuse, without, and with the windows that reuse makes but
    forgotten at once.
    """
    parser = options_parser(reuse.__doc__, "bundle", "rounds", "name")
    parser.add_argument("--days", type=int, default=30)
    options = parser.parse_args(arguments)
    answers = in_turn(
        _REUSE, options.rounds, lambda name: ask(read_days, {**vars(options), "reuse": _REUSE[name]})
    )
    rows = []
    for name, given in answers.items():
        ratios = [off["s"] / answer["s"] for off, answer in zip(answers["reuse_off"], given, strict=True)]
        rows.append({"variant": name, **medians(given), "times_faster_than_off": median(ratios)})
    settings = {
        "bundle": options.bundle,
        "copied": COPIED,
        "days": options.days,
        "rounds": options.rounds,
    }
    save("reuse", rows, settings, name=options.name)


def read_days(asked: Answer) -> Answer:
    """Read the daily notes one by one."""
    from clinspan import Recognizer

    parts = ours.loaded(asked["bundle"], reuse=asked["reuse"])
    notes, recognizer = daily_notes(asked["days"]), Recognizer(parts)
    recognizer.recognize("Warm-up.")
    began = time.perf_counter()
    spans = sum(len(found) for note in notes for found in recognizer.pipe([note]))
    took = time.perf_counter() - began
    cache = parts.model.cache
    reused = cache.hits / (cache.hits + cache.stored) if cache else 0.0
    return {"s": took, "windows_reused": reused, "spans": spans}


def verify(arguments: Sequence[str]) -> None:
    """Measure what the checks on load cost: full (sizes, hashes, whether the parts fit), size (no hashes) and off.

    python -m benchmarks verify --name verify_starter
    python -m benchmarks verify --bundle BUNDLE --name verify_bert_base

    CPU time of a load on one thread in one process, the three in turn; the file is in the page cache.
    """
    from clinspan import LoadOptions, Recognizer
    from clinspan.bundle.integrity import VERIFY

    parser = options_parser(verify.__doc__, "name")
    parser.add_argument("--bundle", help="default: the starter")
    parser.add_argument("--loads", type=int, default=15)
    options = parser.parse_args(arguments)

    def load(check: str) -> Answer:
        begin = time.process_time()
        with Recognizer.load(options.bundle, threads=1, options=LoadOptions(verify=check)) as recognizer:
            taken = time.process_time() - begin
            models = Path(recognizer.report().path).glob("onnx/*int8*")
        return {"cpu_s": taken, "mb": sum(path.stat().st_size for path in models) / 1e6}

    answers = in_turn(VERIFY, options.loads, load)
    rows = [{"variant": check, **medians(given)} for check, given in answers.items()]
    settings = {"bundle": options.bundle or "starter", "loads": options.loads}
    save("verify", rows, settings, name=options.name)
