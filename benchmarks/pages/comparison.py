"""Tables of clinspan beside what people would use instead."""

from __future__ import annotations

from benchmarks.pages.labels import label, table
from benchmarks.peers import FLOOR, OURS
from benchmarks.run.record import rows

_FASTER = "clinspan int8 is faster by"
SUMMARY = {
    OURS: "clinspan int8",
    "transformers_fp32": "transformers pipeline, torch fp32",
    "transformers_bf16": "transformers pipeline, torch bf16",
    "optimum_int8_best": "optimum ONNX pipeline, the same int8 file, best settings",
    "openmed_int8": "OpenMed `OnnxModel`, the same int8 file, defaults",
    "openmed_int8_best": "OpenMed `OnnxModel`, the same int8 file, best settings",
    "openvino_bf16": "OpenVINO bf16, our windows",
    "spacy_fp32": "spaCy, curated transformer and NER, fp32",
}


def summary() -> str:
    """Make the README's table: throughput, latency and cold start of the rows people compare."""
    speed, wait, start = rows("throughput"), rows("latency"), rows("coldstart")
    lines = [
        (
            shown,
            f"{speed[name]['kchars_per_s']:.1f}",
            f"{wait[name]['short']['p50_ms']:.0f}",
            f"{start[name]['first_spans_s']:.2f}",
        )
        for name, shown in SUMMARY.items()
        if name in speed and name in wait and name in start
    ]
    return table(("", "notes, thousand characters/s", "short message, ms", "first spans after, s"), lines)


def throughput() -> str:
    """Thousand characters a second on two cores and on one, and how many times faster clinspan int8 is."""
    two, one = rows("throughput"), rows("throughput_threads_1")
    lines = []
    for name, row in two.items():
        alone = [_speed(one, name), _faster(one, name)] if name in one else ["", ""]
        lines.append((label(name), _speed(two, name), _faster(two, name), *alone, f"{row['peak_mb']:.0f}"))
    return table(("", "thousand characters/s", _FASTER, "on one core", "faster by", "peak MB"), lines)


def gatortron() -> str:
    """Throughput at GatorTron's size."""
    found = rows("throughput_gatortron")
    return table(
        ("354 million parameters", "thousand characters/s", _FASTER, "peak MB"),
        [
            (label(name), _speed(found, name, digits=2), _faster(found, name), f"{row['peak_mb']:.0f}")
            for name, row in found.items()
        ],
    )


def _speed(found: dict[str, dict[str, float]], name: str, *, digits: int = 1) -> str:
    return f"{found[name]['kchars_per_s']:.{digits}f}"


def _faster(found: dict[str, dict[str, float]], name: str) -> str:
    return f"{found[OURS]['kchars_per_s'] / found[name]['kchars_per_s']:.1f}x"


def latency(name: str = "latency") -> str:
    """Median and 95th and 99th percentile in milliseconds of three lengths, and the ratio for the short one."""
    found = rows(name)
    ours = found[OURS]["short"]["p50_ms"]
    lines = []
    for peer, row in found.items():
        texts = (row[text] for text in ("short", "typical", "long"))
        times = (" / ".join(f"{text[f'p{p}_ms']:.0f}" for p in (50, 95, 99)) for text in texts)
        lines.append((label(peer), *times, f"{row['short']['p50_ms'] / ours:.1f}x"))
    lengths = ("short message", "typical note", "long note")
    return table(("p50 / p95 / p99 in ms", *lengths, "short: clinspan int8 is lower by"), lines)


def coldstart() -> str:
    """Seconds to the first spans."""
    found = rows("coldstart")
    ours = found[OURS]["first_spans_s"]
    lines = [
        (
            f"{label(name)}, no spans" if name == FLOOR else label(name),
            f"{row['first_spans_s']:.2f}",
            f"{row['first_spans_s'] / ours:.2g}x",
        )
        for name, row in found.items()
    ]
    return table(("", "seconds to first spans", _FASTER), lines)


def memory() -> str:
    """Memory of clinspan int8."""
    row = rows("memory")[OURS]
    keys = [key for key in row if "mb" in key and not key.endswith("_range")]
    lines = [(label(key), f"{row[key]:.0f}") for key in keys]
    wide = rows("latency")[OURS]["peak_mb"]
    lines.append(("peak MB, once lone messages have a session on all cores", f"{wide:.0f}"))
    return table(("BERT-base int8", "MB"), lines)
