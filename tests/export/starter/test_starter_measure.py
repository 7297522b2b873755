"""The starter's figures: both precisions of every test set, and what the clinical labels cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import tiny_checkpoints

from clinspan import Recognizer
from clinspan.documents.document import Document, Entity
from clinspan_export import export
from clinspan_export.starter.measure import against, as_markdown, measure

pytestmark = pytest.mark.export


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models with both precisions, which find different things."""
    folder = tmp_path_factory.mktemp("starter")
    # The same weights under other names: what one calls PROBLEM the other calls TEST.
    other = {"PROBLEM": "TEST", "TEST": "PROBLEM"}
    swapped = [name[:2] + other.get(name[2:], name[2:]) for name in tiny_checkpoints.BIO]
    ten, seven = (
        export(str(tiny_checkpoints.save(folder / f"{name}-checkpoint", labels=labels)), folder / name).path
        for name, labels in (("all", tiny_checkpoints.BIO), ("seven", swapped))
    )
    return ten, seven


@pytest.fixture(scope="module")
def sets(bundles: tuple[Path, Path]) -> dict[str, list[Document]]:
    """Lines of which the first model finds every PROBLEM in fp32, and the second none but by chance."""
    recognizer = Recognizer.load(bundles[0], precision="fp32")
    documents = [
        Document(
            str(number),
            line,
            tuple(
                Entity(span.start, span.end, span.label)
                for span in recognizer.recognize(line)
                if span.label == "PROBLEM"
            ),
        )
        for number, line in enumerate(tiny_checkpoints.LINES)
    ]
    assert any(document.entities for document in documents)
    return {"lines": documents}


def test_figures_of_both_precisions(bundles: tuple[Path, Path], sets: dict[str, list[Document]]) -> None:
    """fp32 finds again all that it marked, and the difference is int8's F1 less fp32's."""
    figures = measure(bundles[0], sets)
    lines = figures["test_sets"]["lines"]
    assert lines["fp32"]["exact"]["f1"] == 1
    assert lines["fp32"]["documents_without_error"] == len(tiny_checkpoints.LINES)
    for match in ("exact", "lenient"):
        lost = lines["int8"][match]["f1"] - lines["fp32"][match]["f1"]
        assert lines["int8 minus fp32"][match] == pytest.approx(lost, abs=1e-4)
    assert figures["demonstrations_exact"] == {"int8": False, "fp32": False}
    assert f"| lines | {len(tiny_checkpoints.LINES)} | 1.000 |" in as_markdown(figures, "fp32")


def test_cost_of_the_clinical_labels(bundles: tuple[Path, Path], sets: dict[str, list[Document]]) -> None:
    """The first model less the second, each with its own weights and precision; nothing between a model and itself."""
    rows = against(*bundles, sets)["lines"]
    alone = [measure(bundle, sets)["test_sets"]["lines"] for bundle in bundles]
    for precision in ("int8", "fp32"):
        for match in ("exact", "lenient"):
            row = rows[precision][match]
            figures = [lines[precision][match]["f1"] for lines in alone]
            assert [row["starter"], row["medication_only"]] == figures
            assert row["difference"] == pytest.approx(figures[0] - figures[1], abs=1e-4)
            assert row["interval"][0] <= row["difference"] <= row["interval"][1]
    assert rows["fp32"]["exact"]["difference"] > 0.5
    itself = against(bundles[0], bundles[0], sets)["lines"]["int8"]["exact"]
    assert (itself["difference"], itself["interval"]) == (0, [0, 0])
