"""The export keeps the exact-span F1 of a real model on gold, in int8 as in fp32."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clinspan import Recognizer
from clinspan_export import Overrides, export

pytestmark = [pytest.mark.export, pytest.mark.slow]


def micro_f1(recognizer: Recognizer, rows: list[dict[str, object]]) -> float:
    """Exact label, start and end."""
    gold = [{(e["label"], e["start"], e["end"]) for e in row["entities"]} for row in rows]  # type: ignore[attr-defined]
    found = [
        {(s.label, s.start, s.end) for s in spans}
        for spans in recognizer.pipe(str(row["text"]) for row in rows)
    ]
    same = sum(len(a & b) for a, b in zip(gold, found, strict=True))
    return 2 * same / (sum(map(len, gold)) + sum(map(len, found)))


def test_int8_finds_what_fp32_finds(checkpoints: Path, corpora: Path, tmp_path: Path) -> None:
    """On held-out case reports, in the window and with the aggregation that `--tune` chose on training reports."""
    tuned = Overrides(window=254, aggregation="average")
    export(str(checkpoints / "ptt-minilm-l6"), tmp_path / "bundle", overrides=tuned)
    lines = (corpora / "ptt" / "ptt_maccrobat_test.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    fp32, int8 = (
        micro_f1(Recognizer.load(tmp_path / "bundle", precision=name), rows) for name in ("fp32", "int8")
    )
    assert len(rows) == 40
    assert int8 >= 0.645
    assert abs(fp32 - int8) <= 0.003
    print(f"fp32 {fp32:.4f}, int8 {int8:.4f}")  # noqa: T201 - shown by pytest -rP
