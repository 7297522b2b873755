"""Files that are left out are never imported, and licences are never left out."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest
from tests.support.tiny import text_bundles

from clinspan.package.functions import Package
from clinspan.package.parts import self_test
from clinspan.package.parts.leave_out import RULES, Rule, is_licence, left_out
from clinspan.package.parts.own_files import own_files
from clinspan.text.merge import Scoring


@pytest.fixture(scope="module")
def everything(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels unpacked whole, with clinspan beside them."""
    folder = tmp_path_factory.mktemp("everything")
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    for name, source in own_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(source.read_bytes())
    return folder


def test_nothing_that_inference_uses_is_left_out(everything: Path) -> None:
    """No rule leaves out a module or mapped library of a real run, made from packages left whole."""
    for module, function, kind in [("handler", "handler", "lambda"), ("http", "http", "http")]:
        entry = everything / f"entry_{module}.py"
        entry.write_text(f"from clinspan.serving import {function} as entry\n")
        found = self_test.self_test(sys.executable, [everything], entry=(entry.stem, "entry"), kind=kind)
        paths = [Path(path).relative_to(everything.resolve()).as_posix() for path in found.used]
        assert len(paths) > 100
        assert [path for path in paths if left_out(path)] == []


@pytest.mark.parametrize("task", ["labels", "pairs", "vectors"])
@pytest.mark.parametrize("function", ["handler", "http"])
def test_a_packed_function_answers_for_every_task(
    everything: Path, tmp_path: Path, task: str, function: str
) -> None:
    """The self-test asks a model for labels, for pairs or for vectors too, and what it uses is packed."""
    folder = tmp_path / "model"
    if task == "vectors":
        text_bundles.embedder(folder)
    else:
        text_bundles.classifier(folder, Scoring(text_bundles.LABELS, pairs=task == "pairs"), window=500)
    entry = everything / f"entry_{function}_{task}.py"
    entry.write_text(f"from clinspan.serving import {function} as entry\n")
    found = self_test.self_test(
        sys.executable,
        [everything],
        entry=(entry.stem, "entry"),
        kind="lambda" if function == "handler" else "http",
        environment={"CLINSPAN_MODEL": str(folder)},
    )
    assert (found.what, found.found) == (("numbers", 4) if task == "vectors" else ("labels", 3))
    used = [Path(path).relative_to(everything.resolve()).as_posix() for path in found.used]
    assert [path for path in used if left_out(path)] == []


# Wheels carry no caches, folders of installed packages do; numpy has no distutils where Python has none.
IN_WHEELS = [rule for rule in RULES[1:] if rule.pattern != "numpy/distutils/*" or sys.version_info < (3, 12)]


@pytest.mark.parametrize("rule", IN_WHEELS, ids=lambda rule: rule.pattern)
def test_every_rule_leaves_something_out(rule: Rule, everything: Path) -> None:
    """A rule that matches nothing in today's wheels is a mistake, or is no longer needed."""
    paths = [path.relative_to(everything).as_posix() for path in everything.rglob("*") if path.is_file()]
    assert any(left_out(path) == rule for path in paths)


def test_every_licence_text_is_packed(package: Package, wheels: Path) -> None:
    """Each licence and notice of each wheel, and clinspan's own, is in the zip with the same bytes."""
    with zipfile.ZipFile(package.archives[0]) as packed:
        names = set(packed.namelist())
        count = 0
        for wheel in wheels.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                for name in filter(is_licence, archive.namelist()):
                    if name.endswith("/"):
                        continue
                    assert packed.read(name) == archive.read(name)
                    count += 1
        own = [name for name in own_files() if name.endswith("licenses/LICENSE")]
        assert set(own) <= names
    assert count > 10
    assert own


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("numpy/random/LICENSE.md", True),
        ("onnxruntime/ThirdPartyNotices.txt", True),
        ("numpy-2.4.dist-info/licenses/numpy/ma/LICENSE", True),
        ("numpy/random/_generator.cpython-311-x86_64-linux-gnu.so", False),
        ("onnxruntime/tools/license_check.py", False),
        ("numpy/linalg/_umath_linalg.cpython-311-x86_64-linux-gnu.so", True),
        ("onnxruntime/capi/libonnxruntime_providers_shared.so", True),
        ("clinspan/serving/aws_lambda.py", True),
    ],
)
def test_rules_on_paths(path: str, kept: bool) -> None:
    """Licence texts stay in folders that go; a module that is named like one does not."""
    assert (left_out(path) is None) == kept


def test_keep_overrules() -> None:
    """A user's own handler may need what inference does not."""
    assert left_out("numpy/random/mtrand.so", keep=["numpy/random/*"]) is None
    assert left_out("numpy/ma/core.py", keep=["numpy/random/*"]) is not None
