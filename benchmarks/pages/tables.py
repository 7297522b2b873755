"""Tables of the pages, from the results that are there.

python -m benchmarks tables              # print them all
python -m benchmarks tables --write      # also put each between its marks in the pages, and draw docs/evidence/img

A mark is `<!-- table NAME -->`, and `<!-- end -->` behind the table.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.pages import clinical, comparison, plots, targets, whole_texts
from benchmarks.pages.labels import label, table
from benchmarks.run.harness import ROOT, options_parser
from benchmarks.run.record import names, read, rows

PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "evidence" / "performance.md",
    ROOT / "docs" / "evidence" / "architectures.md",
    ROOT / "docs" / "clinical.md",
    ROOT / "docs" / "classify.md",
    ROOT / "docs" / "embed.md",
    ROOT / "benchmarks" / "README.md",
)
_BLOCK = re.compile(r"(<!-- table (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def main(arguments: Sequence[str]) -> None:
    """Print every table whose results exist."""
    parser = options_parser(__doc__)
    parser.add_argument("--write", action="store_true", help="put them into the pages, and draw the plots")
    options = parser.parse_args(arguments)
    tables, missing = made()
    for name, text in tables.items():
        print(f"\n{name}\n\n{text}")
    if missing:
        print(f"no results: {', '.join(missing)}", file=sys.stderr)
    if options.write:
        for page in PAGES:
            _write(page, tables)
        plots.draw_all()


def made() -> tuple[dict[str, str], list[str]]:
    """All tables whose results are there, and the names of the others."""
    tables, missing = {}, []
    for name, make in TABLES.items():
        try:
            tables[name] = make()
        except LookupError:
            missing.append(name)
    return tables, missing


def shown(page: Path) -> dict[str, str]:
    """The tables that a page has between marks, by name."""
    return {found[2]: found[3].strip() for found in _BLOCK.finditer(page.read_text(encoding="utf-8"))}


def _write(page: Path, tables: Mapping[str, str]) -> None:
    def block(found: re.Match[str]) -> str:
        return f"{found[1]}\n{tables.get(found[2], found[3].strip())}\n\n{found[4]}"

    page.write_text(_BLOCK.sub(block, page.read_text(encoding="utf-8")), encoding="utf-8")


def growth(name: str = "growth") -> str:
    """Speed and memory by length of a note."""
    head = ("characters of a note", "thousand characters/s", "CPU s a million characters", "peak MB")
    lines = [
        (
            f"{length:,}",
            f"{row['kchars_per_s']:.1f}",
            f"{row['cpu_s_per_million_chars']:.1f}",
            f"{row['peak_mb']:.0f}",
            f"{row['peak_mb_more']:.0f}",
        )
        for length, row in rows(name, "characters").items()
    ]
    return table((*head, "MB more than before"), lines)


def many() -> str:
    """Memory in use along a stream of notes."""
    passed = read("growth")["summary"]["many_notes"]
    return table(
        ("short notes read", *(f"{mark['notes']:,}" for mark in passed)),
        [("MB in use", *(f"{mark['mb']:.0f}" for mark in passed))],
    )


def overhead() -> str:
    """Shares of CPU time by part, of short messages and long notes, BERT-base and starter."""
    columns = {
        f"{model}, {label(texts)}": row
        for model, name in (("BERT-base", "overhead"), ("starter", "overhead_starter"))
        for texts, row in rows(name, "texts").items()
    }
    parts = [part for part in next(iter(columns.values()))["parts"] if part != "session_run"]
    lines = [
        (label(part), *(f"{100 * row['parts'][part]:.1f} %" for row in columns.values())) for part in parts
    ]
    outside = (f"**{100 * row['share_outside_session_run']:.1f} %**" for row in columns.values())
    return table(("share of CPU time", *columns), [*lines, ("**all outside session.run**", *outside)])


def operators() -> str:
    """Where the time of a window goes inside onnxruntime."""
    shares = rows("peak", "operator")
    return table(
        ("operator", "share of a window"),
        [(name, f"{100 * row['share']:.0f} %") for name, row in shares.items()],
    )


def effects() -> str:
    """Every setting of every choice, against the default."""
    lines = []
    before = ""
    for row in read("effects")["rows"]:
        default = row["choice"] != before
        before = row["choice"]
        lines.append(
            (
                label(row["choice"]) if default else "",
                f"**{label(row['setting'])}**" if default else label(row["setting"]),
                f"{row['kchars_per_s_times_default']:.2f}x",
                f"{row['cpu_s_times_default']:.2f}x",
                f"{row['load_s']:.2f}",
            )
        )
    return table(("choice", "setting", "speed", "CPU time", "seconds to load"), lines)


def quality() -> str:
    """F1 by setting, of every model that was measured."""
    lines: dict[str, list[str]] = {}
    for name in names("quality"):
        for row in read(name)["rows"]:
            line = lines.setdefault(f"{row['variant'].split('_')[0]}: {label(row['setting'])}", [])
            line.append(f"{row['dev']:.4f} / {row['test']:.4f}")
    if not lines:
        raise LookupError("quality")
    models = (name.removeprefix("quality_") for name in names("quality"))
    return table(("F1, dev / test", *models), [(what, *scores) for what, scores in lines.items()])


def reuse() -> str:
    """Seconds for the series of daily notes."""
    lines = [
        (
            label(name),
            f"{row['s']:.1f}",
            f"{100 * row['windows_reused']:.0f} %",
            f"{row['times_faster_than_off']:.2f}x",
        )
        for name, row in rows("reuse").items()
    ]
    return table(("", "seconds", "windows reused", "times faster"), lines)


def architectures() -> str:
    """Cost and size of an export at full size, with what it was measured on."""
    record = read("architectures")
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    settings = record["settings"]
    lines = []
    for row in record["rows"]:
        size, off, same = row["size_mb"], row["max_logit_difference"], row["span_agreement_f1"]
        lines.append(
            (
                label(row["architecture"]),
                f"{row['parameters'] / 1e6:.0f} M",
                f"{row['export_s']:.0f}",
                f"{row['peak_memory_mib'] / 1024:.1f}",
                f"{size['fp32']:.0f} / {size['fp16']:.0f} / {size['int8']:.0f}",
                f"{off['fp32']:.1g} / {off['fp16']:.1g} / {off['int8']:.1g}",
                f"{same['fp16']:.3f} / {same['int8']:.3f}",
                f"{row['int8_speedup']:.1f}x",
            )
        )
    head = ("architecture", "parameters", "export, s", "peak memory, GB", "fp32 / fp16 / int8, MB")
    compared = ("largest logit difference fp32 / fp16 / int8", "span agreement fp16 / int8")
    where = f"{settings['threads']} threads on {record['machine']['cpu']}, {settings['rounds']} rounds"
    return f"{versions}; {where}.\n\n" + table((*head, *compared, "int8 over torch fp32"), lines)


def exporters() -> str:
    """Every family by each exporter and transformers: fp32 against PyTorch, and int8's spans."""
    found: dict[str, dict[tuple[str, str], tuple[str, str]]] = {}
    versions = {}
    for major in ("5", "4"):
        record = read(f"exporters_transformers_{major}")
        versions[major] = record["versions"]["transformers"]
        for row in record["rows"]:
            shown = (f"{row['max_logit_difference']:.0e}", f"{row['int8_span_agreement_f1']:.3f}")
            found.setdefault(row["family"], {})[row["exporter"], major] = shown
    ways = (("torch", "5"), ("torch", "4"), ("optimum", "4"))
    head = [f"{way}, transformers {versions[major]}" for way, major in ways]
    lines = [
        (family.replace("_", "-"), *(" / ".join(cells[way]) if way in cells else "" for way in ways))
        for family, cells in found.items()
    ]
    return table(("family", *head), lines)


TABLES: dict[str, Callable[[], str]] = {
    "targets": targets.reached,
    "questions": targets.asked,
    "summary": comparison.summary,
    "throughput": comparison.throughput,
    "gatortron": comparison.gatortron,
    "latency": comparison.latency,
    "latency_one_core": lambda: comparison.latency("latency_threads_1"),
    "coldstart": comparison.coldstart,
    "memory": comparison.memory,
    "embedding": whole_texts.embedding,
    "classification": whole_texts.classification,
    "growth": growth,
    "growth_starter": lambda: growth("growth_starter"),
    "many": many,
    "overhead": overhead,
    "operators": operators,
    "effects": effects,
    "quality": quality,
    "reuse": reuse,
    "architectures": architectures,
    "exporters": exporters,
    "assertion": clinical.assertion,
    "regimens": clinical.regimens,
}
