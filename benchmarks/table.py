"""Tables of the README and of docs/evidence/performance.md, from the results that are there.

python -m benchmarks.table              # print them all
python -m benchmarks.table --write      # also put each between its marks in the two files, and draw docs/evidence/img

A mark is `<!-- table NAME -->`, and `<!-- end -->` behind the table.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import targets
from benchmarks.harness import OURS, ROOT
from benchmarks.peers import FLOOR
from benchmarks.targets import result

Results = Mapping[str, Any]
PAGES = (ROOT / "README.md", ROOT / "docs" / "evidence" / "performance.md")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print every table whose results exist."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="put them into the files, and draw the plots")
    options = parser.parse_args(arguments)
    tables, missing = made()
    for name, table in tables.items():
        print(f"\n{name}\n\n{table}")
    if missing:
        print(f"no results: {', '.join(missing)}", file=sys.stderr)
    if options.write:
        for page in PAGES:
            _write(page, tables)
        from benchmarks import plots

        plots.draw_all()


def made() -> tuple[dict[str, str], list[str]]:
    """All tables whose results are there, and the names of the others."""
    tables, missing = {}, []
    for name, table in TABLES.items():
        try:
            tables[name] = table()
        except (AttributeError, KeyError, TypeError):
            missing.append(name)
    return tables, missing


def _write(page: Path, tables: Mapping[str, str]) -> None:
    text = page.read_text(encoding="utf-8")
    for name, table in tables.items():
        mark = f"<!-- table {name} -->"
        between = re.compile(f"({re.escape(mark)}\n).*?(<!-- end -->)", re.DOTALL)
        text = between.sub(lambda found, table=table: f"{found[1]}\n{table}\n\n{found[2]}", text)
    page.write_text(text, encoding="utf-8")


def throughput() -> str:
    """Thousand characters a second on two cores and on one, and how many times faster clinspan int8 is."""
    two, one = result("throughput"), result("throughput_threads_1") or {}
    ours = two[OURS]["kchars/s"]
    rows = []
    for name, row in two.items():
        cells = [name, f"{row['kchars/s']:.1f}", f"{ours / row['kchars/s']:.1f}x"]
        alone = one.get(name)
        cells += (
            [f"{alone['kchars/s']:.1f}", f"{one[OURS]['kchars/s'] / alone['kchars/s']:.1f}x"]
            if alone
            else ["", ""]
        )
        rows.append((*cells, f"{row['peak MB']:.0f}"))
    head = ("", "thousand characters/s", "clinspan int8 is faster by", "on one core", "faster by", "peak MB")
    return _markdown(head, rows)


def latency(name: str = "latency") -> str:
    """Median and 95th percentile in milliseconds of three lengths, and the ratio for the short one."""
    results = result(name)
    ours = results[OURS]["short"]["p50 ms"]
    return _markdown(
        (
            "p50 / p95 / p99 in ms",
            "short message",
            "typical note",
            "long note",
            "short: clinspan int8 is lower by",
        ),
        [
            (
                peer,
                *(
                    " / ".join(f"{row[text][f'p{p} ms']:.0f}" for p in (50, 95, 99))
                    for text in ("short", "typical", "long")
                ),
                f"{row['short']['p50 ms'] / ours:.1f}x",
            )
            for peer, row in results.items()
        ],
    )


def coldstart() -> str:
    """Seconds to the first spans."""
    results = result("coldstart")
    key = "seconds to first spans"
    ours = results[OURS][key]
    return _markdown(
        ("", "seconds to first spans", "clinspan int8 is faster by"),
        [
            (f"{name}, no spans" if name == FLOOR else name, f"{row[key]:.2f}", f"{row[key] / ours:.2g}x")
            for name, row in results.items()
        ],
    )


def growth(name: str = "growth") -> str:
    """Speed and memory by length of a note."""
    rows = result(name)["by length"]
    return _markdown(
        (
            "characters of a note",
            "thousand characters/s",
            "CPU s a million characters",
            "peak MB",
            "MB more than before",
        ),
        [
            (
                f"{int(length):,}",
                f"{row['kchars/s']:.1f}",
                f"{row['CPU s a million characters']:.1f}",
                f"{row['peak MB']:.0f}",
                f"{row['peak MB more than before']:.0f}",
            )
            for length, row in rows.items()
        ],
    )


def many(name: str = "growth") -> str:
    """Memory in use along a stream of notes."""
    row = result(name)["many notes"]
    marks = [key.removeprefix("MB after ") for key in row if re.fullmatch(r"MB after \d+", key)]
    return _markdown(
        ("short notes read", *(f"{int(mark):,}" for mark in marks)),
        [("MB in use", *(f"{row[f'MB after {mark}']:.0f}" for mark in marks))],
    )


def memory() -> str:
    """Memory of clinspan int8."""
    row = result("memory")[OURS]
    rows = [(name, f"{row[name]:.0f}") for name in row if "MB" in name and "spread" not in name]
    wide = (result("latency") or {}).get(OURS)
    if wide:
        rows.append(("peak MB, once lone messages have a session on all cores", f"{wide['peak MB']:.0f}"))
    return _markdown(("BERT-base int8", "MB"), rows)


def overhead() -> str:
    """Shares of CPU time by part, of short messages and long notes, BERT-base and starter."""
    columns = {
        f"{model}, {kind}": found[kind]
        for model, found in (("BERT-base", result("overhead")), ("starter", result("overhead_starter")))
        if found
        for kind in ("short messages", "long notes")
    }
    if not columns:
        raise KeyError("overhead")
    names = dict.fromkeys(name for column in columns.values() for name in column["parts"])
    rows = [
        (name, *(f"{100 * column['parts'].get(name, 0):.1f} %" for column in columns.values()))
        for name in names
        if name != "session.run"
    ]
    outside = (f"**{100 * column['share outside session.run']:.1f} %**" for column in columns.values())
    return _markdown(("share of CPU time", *columns), [*rows, ("**all outside session.run**", *outside)])


def operators() -> str:
    """Where the time of a window goes inside onnxruntime."""
    shares = result("peak")["share of a window, by operator"]
    return _markdown(
        ("operator", "share of a window"), [(name, f"{100 * share:.0f} %") for name, share in shares.items()]
    )


def effects() -> str:
    """Every setting of every choice, against the default."""
    rows = []
    for choice, settings in result("effects").items():
        for number, (name, row) in enumerate(settings.items()):
            rows.append(
                (
                    "" if number else choice,
                    f"{name}" if number else f"**{name}**",
                    f"{row['speed, times the default']:.2f}x",
                    f"{row['CPU time, times the default']:.2f}x",
                    f"{row['seconds to load']:.2f}",
                )
            )
    return _markdown(("choice", "setting", "speed", "CPU time", "seconds to load"), rows)


def quality() -> str:
    """F1 by setting, of every model that was measured."""
    names = sorted(path.stem for path in targets.RESULTS.glob("quality_*.json"))
    columns: dict[str, Results] = {name.removeprefix("quality_"): result(name) for name in names}
    if not columns:
        raise KeyError("quality")
    rows = []
    for kind in ("clinspan int8", "transformers fp32"):
        settings = dict.fromkeys(setting for column in columns.values() for setting in column[kind])
        for setting in settings:
            scores = (column[kind].get(setting, {}) for column in columns.values())
            cells = (f"{score.get('dev', 0):.4f} / {score.get('test', 0):.4f}" for score in scores)
            rows.append((f"{kind.partition(' ')[0]}: {setting}", *cells))
    return _markdown(("F1, dev / test", *columns), rows)


def gatortron() -> str:
    """Throughput at GatorTron's size."""
    results = result("throughput_gatortron")
    ours = results[OURS]["kchars/s"]
    return _markdown(
        ("354 million parameters", "thousand characters/s", "clinspan int8 is faster by", "peak MB"),
        [
            (name, f"{row['kchars/s']:.2f}", f"{ours / row['kchars/s']:.1f}x", f"{row['peak MB']:.0f}")
            for name, row in results.items()
        ],
    )


def reuse() -> str:
    """Seconds for the series of daily notes."""
    return _markdown(
        ("", "seconds", "windows reused", "times faster"),
        [
            (
                name,
                f"{row['seconds']:.1f}",
                f"{100 * row['windows reused']:.0f} %",
                f"{row['times faster than reuse off']:.2f}x",
            )
            for name, row in result("reuse").items()
        ],
    )


def summary() -> str:
    """What the README shows: throughput, latency and cold start of the rows people compare."""
    speed, wait, start = (result(name) for name in ("throughput", "latency", "coldstart"))
    rows = []
    for name, shown in README_ROWS.items():
        if name in speed and name in wait and name in start:
            rows.append(
                (
                    shown,
                    f"{speed[name]['kchars/s']:.1f}",
                    f"{wait[name]['short']['p50 ms']:.0f}",
                    f"{start[name]['seconds to first spans']:.2f}",
                )
            )
    return _markdown(("", "notes, thousand characters/s", "short message, ms", "first spans after, s"), rows)


README_ROWS = {
    OURS: OURS,
    "transformers fp32": "transformers pipeline, torch fp32",
    "transformers bf16": "transformers pipeline, torch bf16",
    "optimum int8, best": "optimum ONNX pipeline, the same int8 file, best settings",
    "openmed int8": "OpenMed `OnnxModel`, the same int8 file, defaults",
    "openmed int8, best": "OpenMed `OnnxModel`, the same int8 file, best settings",
    "openvino bf16": "OpenVINO bf16, our windows",
    "spacy fp32": "spaCy, curated transformer and NER, fp32",
}
TABLES: dict[str, Callable[[], str]] = {
    "targets": targets.table,
    "summary": summary,
    "throughput": throughput,
    "gatortron": gatortron,
    "latency": latency,
    "latency_one_core": lambda: latency("latency_threads_1"),
    "coldstart": coldstart,
    "memory": memory,
    "growth": growth,
    "growth_starter": lambda: growth("growth_starter"),
    "many": many,
    "overhead": overhead,
    "operators": operators,
    "effects": effects,
    "quality": quality,
    "reuse": reuse,
}


def _markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
