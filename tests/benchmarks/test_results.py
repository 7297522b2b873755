"""All results have one shape, and what measures reaches into nothing private."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.questions import QUESTIONS
from benchmarks.run import record
from benchmarks.run.harness import ROOT, ask, in_turn, medians

RESULTS = sorted((ROOT / "benchmarks" / "results").iterdir())
SOURCES = sorted((ROOT / "benchmarks").rglob("*.py"))


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.name)
def test_a_result_has_the_shape_of_all_results(path: Path) -> None:
    """Schema, question, time, machine, versions, model, settings, rows and summary, with identifiers for keys."""
    found = json.loads(path.read_text(encoding="utf-8"))
    assert list(record.problems(found)) == []
    assert found["question"] in QUESTIONS
    assert path.name.startswith(found["question"])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"schema": 2}, "schema is 2, expected 1"),
        ({"when": 5}, "when is a int"),
        ({"rows": []}, "rows must be a list of objects, at least one"),
        ({"rows": [{"kchars/s": 1.0}]}, "rows[0] has the key 'kchars/s'"),
        ({"rows": [{"variant": "clinspan int8"}]}, "rows[0].variant is 'clinspan int8'"),
        ({"summary": {"by_length": [{"5,000": 1}]}}, "summary.by_length[0] has the key '5,000'"),
        ({"settings": {"read every": 2}}, "settings has the key 'read every'"),
        ({"machine": {"cpu": "any"}}, "machine must have cores, cpu and python"),
        ({"note": ""}, "expected an object with schema, question"),
    ],
)
def test_what_is_not_in_that_shape_is_named(change: dict[str, Any], problem: str) -> None:
    """Each departure from the shape is one line that says where."""
    found = json.loads((ROOT / "benchmarks" / "results" / "soak.json").read_text(encoding="utf-8"))
    (said,) = record.problems(found | change)
    assert said.startswith(problem)


def test_what_is_saved_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`rows` gives what `save` was given, to four digits; the model is named without its folder."""
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    settings = {"bundle": "/models/bb", "rounds": 2}
    record.save("throughput", [{"variant": "clinspan_int8", "kchars_per_s": 13.28571}], settings, name="t")
    found = record.read("t")
    assert found["model"] == {"bundle": "bb"}
    assert found["settings"] == {"rounds": 2}
    assert record.rows("t")["clinspan_int8"]["kchars_per_s"] == 13.29
    with pytest.raises(ValueError, match="kchars/s"):
        record.save("throughput", [{"kchars/s": 1.0}], settings)
    with pytest.raises(LookupError, match="no result latency"):
        record.read("latency")


def test_medians_come_with_the_range_of_the_rounds() -> None:
    """Figures inside figures too; what is the same in every round has no range."""
    rounds = [{"s": 1.0, "short": {"ms": 5}, "spans": 7}, {"s": 3.0, "short": {"ms": 6}, "spans": 7}]
    short = {"ms": 5.5, "ms_range": [5, 6]}
    assert medians(rounds) == {"s": 2.0, "s_range": [1.0, 3.0], "short": short, "spans": 7}


def test_rounds_take_turns_and_leave_out_what_fails() -> None:
    """Every name is asked once before any is asked again."""
    asked: list[str] = []

    def answer(name: str) -> dict[str, Any] | None:
        asked.append(name)
        return None if name == "broken" else {"n": len(asked)}

    assert in_turn(["ours", "broken"], 2, answer) == {"ours": [{"n": 1}, {"n": 3}]}
    assert asked == ["ours", "broken", "ours", "broken"]


def in_another_process(settings: dict[str, Any]) -> dict[str, Any]:
    """Fail where told to."""
    if settings["fail"]:
        raise ValueError("as told")
    return settings


def test_an_answer_comes_from_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arguments come back through JSON; its error is the last line that it wrote."""
    monkeypatch.setattr(in_another_process, "__module__", "tests.benchmarks.test_results")
    assert ask(in_another_process, {"fail": False, "n": 2}) == {"fail": False, "n": 2}
    with pytest.raises(RuntimeError, match="ValueError: as told"):
        ask(in_another_process, {"fail": True})


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_measures_uses_public_names_alone(path: Path) -> None:
    """No private attribute of anything else, and no change to where Python looks for modules."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        # spaCy's public place for attributes of a user's own is called "_".
        private = isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr != "_"
        if isinstance(node, ast.Attribute) and private and not node.attr.startswith("__"):
            pytest.fail(f"line {node.lineno}: {ast.unparse(node)}")
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path":
            pytest.fail(f"line {node.lineno}: sys.path")
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("clinspan"):
            assert not [name.name for name in node.names if name.name.startswith("_")]
