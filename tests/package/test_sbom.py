"""The bill of materials of a package: complete, valid, and the same for the same parts."""

from __future__ import annotations

import hashlib
import json
import platform
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.packages import small_wheels

from clinspan.bundle.manifest import open_bundle
from clinspan.cli.main import main
from clinspan.errors import PackageError
from clinspan.package.parts.assemble import Inputs
from clinspan.package.parts.resolve import read_wheel
from clinspan.package.parts.sbom import SBOM, bill_of_materials
from clinspan.package.targets import Target
from clinspan.package.wheelhouse import package_wheelhouse

OTHER = "x86_64" if platform.machine() in ("aarch64", "arm64") else "arm64"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("inputs")
    model = small_wheels.stand_in_bundle(folder / "model", "int8", "fp32")
    return Inputs(model=str(model), wheels=small_wheels.stand_in_wheels(folder / "stand-ins", arch=OTHER))


@pytest.fixture(scope="module")
def archive(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A function's zip, its bill beside it."""
    out = tmp_path_factory.mktemp("made") / "f.zip"
    command = ["package", "lambda", "--out", str(out), "--arch", OTHER, "--python", "3.13"]
    command += ["--wheels", str(inputs.wheels), "--model", str(inputs.model)]
    assert main([*command, "--sbom", str(out.with_suffix(".json"))]) == 0
    return out


def bill_of(archive: Path) -> dict[str, Any]:
    """Read the bill of materials in the zip."""
    with zipfile.ZipFile(archive) as opened:
        bill: dict[str, Any] = json.loads(opened.read(SBOM))
    return bill


def check_valid(text: str) -> None:
    """The reference library's own schema of the format, no unknown field allowed."""
    validation = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema")
    try:
        problem = validation.JsonStrictValidator(schema.SchemaVersion.V1_6).validate_str(text)
    except ImportError:  # cyclonedx-python-lib without its json-validation
        pytest.skip("the schema cannot be checked here")
    assert problem is None, problem


def test_it_is_valid_and_whole(archive: Path, inputs: Inputs) -> None:
    """Every wheel with its hash, clinspan, and the one model that is packed with its hash and tokenizer."""
    bill = bill_of(archive)
    check_valid(json.dumps(bill))
    by_name = {component["name"]: component for component in bill["components"]}
    assert inputs.wheels is not None
    for path in inputs.wheels.glob("*.whl"):
        component = by_name[path.name.split("-")[0]]
        assert component["purl"] == f"pkg:pypi/{component['name']}@{small_wheels.VERSIONS[component['name']]}"
        assert component["hashes"] == [
            {"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}
        ]
    assert by_name["clinspan"]["licenses"] == [{"expression": "Apache-2.0"}]
    models = [c for c in bill["components"] if c["type"] == "machine-learning-model"]
    with zipfile.ZipFile(archive) as opened:
        digest = hashlib.sha256(opened.read("bundle/onnx/model_int8.onnx")).hexdigest()
    assert [m["hashes"][0]["content"] for m in models] == [digest]
    assert [c["type"] for c in bill["components"]].count("data") == 1


def test_everything_hangs_together(archive: Path) -> None:
    """The package depends on every component, and clinspan on its three libraries."""
    bill = bill_of(archive)
    used = {row["ref"]: row["dependsOn"] for row in bill["dependencies"]}
    root = bill["metadata"]["component"]["bom-ref"]
    assert sorted(used[root]) == sorted(component["bom-ref"] for component in bill["components"])
    (own,) = (ref for ref in used if ref.startswith("pkg:pypi/clinspan@"))
    assert [ref.split("@")[0] for ref in used[own]] == [
        "pkg:pypi/numpy",
        "pkg:pypi/onnxruntime",
        "pkg:pypi/tokenizers",
    ]


def test_other_parts_are_another_document(inputs: Inputs, tmp_path: Path) -> None:
    """The same parts give the same bytes, serial number included; another model gives another."""
    assert inputs.wheels is not None
    wheels = [read_wheel(path) for path in sorted(inputs.wheels.glob("*.whl"))]
    bundle = open_bundle(str(inputs.model))
    first, same, other = (
        bill_of_materials("lambda", order, replace(bundle, models={precision: bundle.models[precision]}))
        for order, precision in ((wheels, "int8"), (wheels[::-1], "int8"), (wheels, "fp32"))
    )
    assert first == same
    assert json.loads(first)["serialNumber"] != json.loads(other)["serialNumber"]


def test_it_is_written_beside_the_package_too(archive: Path) -> None:
    """--sbom gives the bytes that are in the zip."""
    with zipfile.ZipFile(archive) as opened:
        assert opened.read(SBOM) == archive.with_suffix(".json").read_bytes()


def test_folders_have_one_too(tmp_path: Path, inputs: Inputs) -> None:
    """With every wheel of the folder, clinspan's own included, and under the folder's own checksums."""
    folder = package_wheelhouse(tmp_path / "house", Target("wheelhouse", OTHER, "3.13", 28), inputs)
    bill = json.loads((folder.path / SBOM).read_text())
    check_valid(json.dumps(bill))
    named = {component["name"] for component in bill["components"] if component["type"] == "library"}
    assert named == {wheel.name for wheel in folder.wheels}
    assert SBOM in (folder.path / "SHA256SUMS").read_text()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: ignored\n", [{"expression": "MIT OR Apache-2.0"}]),
        (
            "License: a whole\n text\nClassifier: License :: OSI Approved :: MIT License\n",
            [{"license": {"name": "MIT License"}}],
        ),
        ("License: BSD-3-Clause\n", [{"license": {"name": "BSD-3-Clause"}}]),
        ("", None),
    ],
    ids=["expression", "classifier", "name", "none"],
)
def test_licences_are_what_wheels_say(tmp_path: Path, fields: str, expected: object) -> None:
    """The newest field first; nothing is made up where a wheel says nothing."""
    path = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing-1.0.dist-info/METADATA", f"Metadata-Version: 2.4\nName: thing\n{fields}")
    text = bill_of_materials(
        "lambda", [read_wheel(path)], open_bundle(small_wheels.stand_in_bundle(tmp_path / "b", "int8"))
    )
    check_valid(text.decode())
    (component,) = (c for c in json.loads(text)["components"] if c["name"] == "thing")
    assert component.get("licenses") == expected


def test_a_wheel_without_metadata_is_refused(tmp_path: Path) -> None:
    """A file without METADATA is refused: it is not a wheel."""
    path = tmp_path / "thing-1.0-py3-none-any.whl"
    zipfile.ZipFile(path, "w").close()
    with pytest.raises(PackageError, match="METADATA"):
        bill_of_materials(
            "lambda", [read_wheel(path)], open_bundle(small_wheels.stand_in_bundle(tmp_path / "b", "int8"))
        )
