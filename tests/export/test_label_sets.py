"""Label sets as they occur: read rightly from the checkpoint, shown before the export, overridden where wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import tiny_checkpoints

from clinspan import BundleError, Recognizer
from clinspan.text.labels import LabelSet, detect
from clinspan_export import Overrides, export
from clinspan_export.cli.main import main
from clinspan_export.errors import ExportError
from clinspan_export.exporter import describe

pytestmark = pytest.mark.export

BRACKETS = ("None", "['Living Beings', 'Virus']", "['Disorders', \"Disease or Syndrome\"]")

SETS = {
    "bio": (tiny_checkpoints.BIO, "BIO", "O", ("PROBLEM", "TEST", "TREATMENT")),
    "io-without-prefix": (("O", "PROBLEM", "TEST"), "IO", "O", ("PROBLEM", "TEST")),
    "io-with-prefix": (("O", "I-PROBLEM", "I-TEST"), "BIO", "O", ("PROBLEM", "TEST")),
    "bioes": (("B-X", "I-X", "E-X", "S-X", "O"), "BIOES", "O", ("X",)),
    "bilou": (("O", "B-X", "I-X", "L-X", "U-X", "U-Y"), "BILOU", "O", ("X", "Y")),
    "outside-out": (("OUT", "B-X", "I-X"), "BIO", "OUT", ("X",)),
    "outside-none": (("X", "Y", "None"), "IO", "None", ("X", "Y")),
    "outside-label-0": (("LABEL_0", "LABEL_1", "LABEL_2"), "IO", "LABEL_0", ("LABEL_1", "LABEL_2")),
    "hyphens": (
        ("O", "B-Follow-up", "I-Follow-up", "B-Sign-or-symptom"),
        "BIO",
        "O",
        ("Follow-up", "Sign-or-symptom"),
    ),
    "spaces": (("O", "Body Part", "Lab Value"), "IO", "O", ("Body Part", "Lab Value")),
    "underscore": (("O", "B_DRUG", "I_DRUG"), "BIO", "O", ("DRUG",)),
    "brackets": (BRACKETS, "IO", "None", BRACKETS[1:]),
    "looks-like-a-prefix": (
        ("O", "E-coli", "S-aureus", "Candida"),
        "IO",
        "O",
        ("E-coli", "S-aureus", "Candida"),
    ),
}


@pytest.mark.parametrize(("names", "scheme", "outside", "entities"), SETS.values(), ids=SETS)
def test_detection(names: tuple[str, ...], scheme: str, outside: str, entities: tuple[str, ...]) -> None:
    """Scheme, outside label and entities are told from the names alone."""
    found = detect(names)
    assert (found.scheme, found.outside, found.entities) == (scheme, outside, entities)


@pytest.mark.parametrize("name", ["io-without-prefix", "bioes", "bilou", "outside-none", "brackets"])
def test_exported_label_set_comes_out_of_the_runtime(tmp_path: Path, name: str) -> None:
    """A checkpoint with these labels gives spans with its entity names and none with the outside label."""
    names, scheme, outside, entities = SETS[name]
    source = tiny_checkpoints.save(tmp_path / "checkpoint", labels=names)
    bundle = export(str(source), tmp_path / "out", precisions=["fp32"])
    assert (bundle.labels.scheme, bundle.labels.outside) == (scheme, outside)
    found = {span.label for span in Recognizer.load(bundle.path).recognize(tiny_checkpoints.NOTE)}
    assert found
    assert found <= set(entities)


def test_two_hundred_labels(tmp_path: Path) -> None:
    """A model of 200 labels exports, and the detection's line stays readable."""
    names = ["O", *(f"{place}-Concept {number}" for number in range(100) for place in "BI")][:200]
    source = tiny_checkpoints.save(tmp_path / "checkpoint", labels=names)
    lines: list[str] = []
    bundle = export(str(source), tmp_path / "out", precisions=["int8"], progress=lines.append)
    assert len(bundle.labels.entities) == 100
    assert Recognizer.load(bundle.path).recognize(tiny_checkpoints.NOTE)
    (line,) = [line for line in lines if line.startswith("labels:")]
    assert line.startswith("labels: 100 entities")
    assert line.endswith("and 80 more), scheme BIO, outside 'O'")


def test_overrides_win_over_detection(tmp_path: Path) -> None:
    """`--scheme`, `--outside` and `--rename` are what the bundle records."""
    source = tiny_checkpoints.save(tmp_path / "checkpoint", labels=("S-aureus", "E-coli", "nothing", "O"))
    renames = {"S-aureus": "Staphylococcus", "O": "Other"}
    overrides = Overrides(scheme="IO", outside="nothing", rename=renames)
    labels = export(str(source), tmp_path / "out", precisions=["fp32"], overrides=overrides).labels
    assert labels.entities == ("Staphylococcus", "E-coli", "Other")


def test_readable_names_replace_unreadable_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the command line too: an equals sign separates, whatever quotes and brackets the old name has."""
    source = tiny_checkpoints.save(tmp_path / "checkpoint", labels=BRACKETS)
    rename = [f"--rename={BRACKETS[1]}=Virus", f"--rename={BRACKETS[2]}=Disease"]
    assert main([str(source), str(tmp_path / "out"), "--precision=int8", *rename]) == 0
    found = Recognizer.load(tmp_path / "out").recognize(tiny_checkpoints.NOTE)
    assert found
    assert {span.label for span in found} <= {"Virus", "Disease"}
    assert "labels: 2 entities ('Virus', 'Disease'), scheme IO, outside 'None'" in capsys.readouterr().err


def test_detection_is_shown_before_the_export_runs(tmp_path: Path) -> None:
    """A wrong detection can be stopped before the long part begins."""
    source = tiny_checkpoints.save(tmp_path / "checkpoint")
    lines: list[str] = []
    export(str(source), tmp_path / "out", precisions=["fp32"], progress=lines.append)
    shown = next(i for i, line in enumerate(lines) if line.startswith("labels:"))
    assert shown < next(i for i, line in enumerate(lines) if "ONNX" in line)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (Overrides(outside="nothing"), "outside label 'nothing'"),
        (Overrides(rename={"DRUG": "Drug"}), "cannot rename 'DRUG'"),
        (Overrides(rename={"TEST": "PROBLEM"}), "two entities the same name"),
    ],
    ids=["outside", "rename-unknown", "rename-to-another"],
)
def test_overrides_that_do_not_fit_are_refused(tmp_path: Path, overrides: Overrides, message: str) -> None:
    """An override that contradicts the label names stops the export before anything is written."""
    source = tiny_checkpoints.save(tmp_path / "checkpoint")
    with pytest.raises((BundleError, ExportError), match=message):
        export(str(source), tmp_path / "out", overrides=overrides)
    assert not (tmp_path / "out").exists()


def test_scheme_that_the_names_contradict_is_refused() -> None:
    """A set with end and single labels is not BIO."""
    with pytest.raises(BundleError, match="does not fit the scheme BIO"):
        detect(("O", "B-X", "E-X", "S-X"), scheme="BIO")


def test_description_of_few_labels_lists_them_all() -> None:
    """Names stand in quotes, so that one with commas and brackets can be told from two."""
    labels: LabelSet = detect(BRACKETS)
    assert describe(labels).count("Disease or Syndrome") == 1
    assert describe(labels).startswith("labels: 2 entities (")
