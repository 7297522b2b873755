"""A bundle explains itself: its model card says all that the exporter knows, and what its owner writes stays."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.support import tiny_checkpoints

from clinspan import Recognizer
from clinspan.bundle.manifest import Bundle, open_bundle
from clinspan.bundle.tasks import Head
from clinspan.cli.main import main as clinspan
from clinspan.package.parts.assemble import Stage, add_model
from clinspan.text.labels import detect
from clinspan.text.merge import Scoring, Vectors
from clinspan_export.cli.main import main
from clinspan_export.verify.card import write_card

pytestmark = pytest.mark.export
OWN = "\nFor the notes of our ward, read by nurses.\n"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_checkpoints.save(tmp_path_factory.mktemp("cards") / "checkpoint")
    (folder / "README.md").write_text(
        "---\nlicense: cc-by-4.0\nlanguage: [en, fr]\nmodel-index: [{name: x}]\n---\n# Other\n",
        encoding="utf-8",
    )
    return folder


@pytest.fixture(scope="module")
def exported(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("card") / "out"
    assert main([str(source), str(out)]) == 0
    return out


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "bundle"))


def test_front_matter_is_the_hubs(exported: Path) -> None:
    """Task and tags for the Hub's filters, the licence and language of the checkpoint, and no name of a local folder."""
    from huggingface_hub import metadata_load

    front: Any = metadata_load(exported / "README.md")
    assert front["pipeline_tag"] == "token-classification"
    assert {"onnx", "clinspan", "int8", "fp32"} <= set(front["tags"])
    assert (front["license"], front["language"]) == ("cc-by-4.0", ["en", "fr"])
    assert not {"base_model", "model-index"} & set(front)


def test_card_has_labels_figures_windows_and_provenance(exported: Path) -> None:
    """Each with the value that the manifest has, and a place that its owner is to fill in."""
    card = (exported / "README.md").read_text(encoding="utf-8")
    said = json.loads((exported / "clinspan.json").read_text(encoding="utf-8"))
    for label in ("PROBLEM", "TEST", "TREATMENT"):
        assert f"**{label}**" in card
    row = next(line for line in card.splitlines() if line.startswith("| spans that agree with PyTorch"))
    assert row.endswith(
        f"| {said['parity']['int8']['span_agreement_f1']:.4f} | {said['parity']['fp32']['span_agreement_f1']:.4f} |"
    )
    assert f"A run reads {said['window']} tokens" in card
    made = said["provenance"]
    for value in (made["weights_sha256"], made["exported_at"][:10], f"torch {made['versions']['torch']}"):
        assert value in card
    assert re.search(r"\| CPU time of a window, ms \| \d+\.\d \| \d+\.\d \|", card)
    assert set(made["window_ms"]) == {"fp32", "int8"}
    assert "## Intended use" in card
    assert "Not written yet." in card


def test_the_cards_two_lines_load_the_model(exported: Path) -> None:
    """They run as they stand, with the folder's path in its place."""
    card = (exported / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    assert len(code.splitlines()) == 2
    names: dict[str, Any] = {"note": tiny_checkpoints.NOTE}
    exec(code.replace("PATH", str(exported)), names)
    assert names["spans"] == Recognizer.load(exported).recognize(tiny_checkpoints.NOTE)


def test_the_owners_text_stays_and_the_bundle_loads(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed card is not damage, `info` says that it was changed, and writing the card again leaves it."""
    assert _info(bundle, capsys) == "as recorded"
    with (bundle / "README.md").open("a", encoding="utf-8") as card:
        card.write(OWN)
    assert _info(bundle, capsys) == "changed since it was recorded"
    opened = open_bundle(bundle)
    assert write_card(opened) == opened
    assert (bundle / "README.md").read_text(encoding="utf-8").endswith(OWN)
    (bundle / "README.md").unlink()
    assert _info(bundle, capsys) == "missing"


def _info(bundle: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert clinspan(["info", "--model", str(bundle)]) == 0
    said: str = json.loads(capsys.readouterr().out)["card"]
    return said


def test_a_card_that_clinspan_did_not_write_stays(bundle: Path) -> None:
    """A bundle without a recorded card, such as one of an older version, keeps the README.md that it has."""
    (bundle / "README.md").write_text(OWN, encoding="utf-8")
    older = replace(open_bundle(bundle), card=None)
    assert write_card(older).card is None
    assert (bundle / "README.md").read_text(encoding="utf-8") == OWN


def test_force_replaces_the_card_with_the_bundle(source: Path, bundle: Path) -> None:
    """And only --force does."""
    (bundle / "README.md").write_text(OWN, encoding="utf-8")
    assert main([str(source), str(bundle), "--precision=fp32"]) == 1
    assert (bundle / "README.md").read_text(encoding="utf-8") == OWN
    assert main([str(source), str(bundle), "--precision=fp32", "--force"]) == 0
    assert "## Intended use" in (bundle / "README.md").read_text(encoding="utf-8")


def test_a_package_holds_the_owners_card(bundle: Path, tmp_path: Path) -> None:
    """As it is now; the packed manifest keeps the record, and the packed model loads."""
    (bundle / "README.md").write_text(OWN, encoding="utf-8")
    opened = open_bundle(bundle)
    packed = add_model(Stage(tmp_path / "package"), opened, "int8")
    assert (packed.path / "README.md").read_text(encoding="utf-8") == OWN
    assert open_bundle(packed.path).card == opened.card
    assert Recognizer.load(packed.path).recognize(tiny_checkpoints.NOTE) is not None


HEADS: dict[str, tuple[Head, str, str]] = {
    "odd-names": (detect(["O", "B-a|b", "I-a|b", "B-<i>", "I-<i>"]), r"a\|b", "Recognizer"),
    "texts": (Scoring(("no", "yes"), pairs=True), "pair of texts", "Classifier"),
    "vectors": (Vectors(384), "vector of 384 numbers", "Embedder"),
    "many": (detect(["O", *(f"{p}-L{n}" for n in range(99) for p in "BI")]), "and 39 more", "Recognizer"),
}


@pytest.mark.parametrize(("head", "text", "loader"), HEADS.values(), ids=HEADS)
def test_every_task_has_its_card(bundle: Path, head: Head, text: str, loader: str) -> None:
    """With its own sentence and class; names cannot break the page, and are not all listed where they are many."""
    opened = open_bundle(bundle)
    (bundle / "README.md").unlink()
    card = _card(
        replace(opened, head=head, provenance={**opened.provenance, "base": "o/n", "revision": "c0"})
    )
    assert text in card
    assert f"from clinspan import {loader}\n" in card
    assert "<i>" not in card
    assert 'base_model: "o/n"' in card.split("---")[1]


def _card(bundle: Bundle) -> str:
    write_card(bundle)
    return (bundle.path / "README.md").read_text(encoding="utf-8")
