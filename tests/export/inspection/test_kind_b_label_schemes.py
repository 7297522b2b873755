"""Label schemes of the field, in an export and in the runtime: read rightly, or stopped with the option that mends it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support import tiny_checkpoints

from clinspan import BundleError, InputError, LoadOptions, Recognizer
from clinspan.bundle.manifest import open_bundle
from clinspan_export.cli.main import main

pytestmark = pytest.mark.export


def export(tmp_path: Path, labels: tuple[str, ...], *options: str) -> Path:
    source = tiny_checkpoints.save(tmp_path / "checkpoint", labels=labels)
    assert main([str(source), str(tmp_path / "out"), "--precision=fp32", *options]) == 0
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("labels", "options", "entities"),
    [
        (("O", "B", "I"), ["--entity", "DISEASE"], {"DISEASE"}),
        (("O", "B", "M", "E", "S"), ["--entity", "DISEASE"], {"DISEASE"}),
        (("O", "B-X", "M-X", "E-X", "S-X"), [], {"X"}),
        (("O", "DRUG-B", "DRUG-I"), [], {"DRUG"}),
        (("o", "b-drug", "i-drug"), [], {"drug"}),
        (("O\n", "B-DRUG\n", "I-DRUG\n"), [], {"DRUG"}),
        (("LABEL_0", "LABEL_1", "LABEL_2"), ["--labels", "O,B-DRUG,I-DRUG"], {"DRUG"}),
        (("LABEL_0", "LABEL_1", "LABEL_2"), ["--outside", "LABEL_0"], {"LABEL_1", "LABEL_2"}),
    ],
    ids=["untyped", "untyped-bmes", "bmes", "suffix", "lower", "line-end", "named", "as-they-are"],
)
def test_entities_of_a_scheme(
    tmp_path: Path, labels: tuple[str, ...], options: list[str], entities: set[str]
) -> None:
    """The bundle finds the entities and never shows a position as one; a folder without its manifest too."""
    bundle = export(tmp_path, labels, *options)
    found = {span.label for span in Recognizer.load(bundle).recognize(tiny_checkpoints.NOTE)}
    assert found == entities
    (bundle / "clinspan.json").unlink()
    entity = options[1] if "--entity" in options else None
    assert set(open_bundle(bundle, entity=entity).labels.entities) == entities


def test_numbers_from_one_are_read_in_order(tmp_path: Path) -> None:
    """With as many names as columns they can mean nothing else; the bundle's config.json counts from 0."""
    source = tiny_checkpoints.save(tmp_path / "checkpoint", labels=("O", "B-DRUG", "I-DRUG"))
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config["id2label"] = {"1": "O", "2": "B-DRUG", "3": "I-DRUG"}
    config["label2id"] = {"O": 1, "B-DRUG": 2, "I-DRUG": 3}
    (source / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert main([str(source), str(tmp_path / "out"), "--precision=fp32"]) == 0
    assert open_bundle(tmp_path / "out").labels.names == ("O", "B-DRUG", "I-DRUG")
    written = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert written["id2label"] == {"0": "O", "1": "B-DRUG", "2": "I-DRUG"}


@pytest.mark.parametrize("numbers", [{"0": "O", "2": "B-X", "3": "I-X"}, {"2": "O", "3": "B-X", "4": "I-X"}])
def test_numbers_with_gaps_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], numbers: dict[str, str]
) -> None:
    """One line that says which names are missing."""
    source = tiny_checkpoints.save(tmp_path / "checkpoint", labels=("O", "B-X", "I-X"))
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    (source / "config.json").write_text(json.dumps({**config, "id2label": numbers}), encoding="utf-8")
    assert main([str(source), str(tmp_path / "out")]) == 1
    assert "id2label in config.json has no name for" in capsys.readouterr().err.splitlines()[-1]


def test_kind_r_the_runtime_takes_what_its_error_asks_for(tmp_path: Path) -> None:
    """An outside label that nobody knows is named by an option, and so is the entity of bare positions."""
    bundle = export(tmp_path, ("[PAD]", "DRUG", "TEST"), "--outside", "[PAD]")
    (bundle / "clinspan.json").unlink()
    with pytest.raises(BundleError, match=r"LoadOptions\(outside="):
        Recognizer.load(bundle)
    recognizer = Recognizer.load(bundle, options=LoadOptions(outside="[PAD]"))
    assert set(recognizer.labels) == {"DRUG", "TEST"}


def test_kind_r_what_a_manifest_says_is_not_said_again(tmp_path: Path) -> None:
    """With a manifest the option is refused rather than ignored."""
    bundle = export(tmp_path, ("O", "B-X", "I-X"))
    with pytest.raises(InputError, match=r"folders without a clinspan\.json"):
        Recognizer.load(bundle, options=LoadOptions(outside="O"))
