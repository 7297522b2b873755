"""A function's zip: what is in it, and when none is made. Stand-in wheels for another machine are enough."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.packages import small_wheels

from clinspan.cli.main import main
from clinspan.errors import PackageError
from clinspan.package.functions import Package, package_gcf, package_lambda
from clinspan.package.parts import self_test, sizes
from clinspan.package.parts.assemble import Inputs
from clinspan.package.targets import Target, target

# The machine that this one is not: its binaries cannot run here, so no self-test is tried.
OTHER = "x86_64" if platform.machine() in ("aarch64", "arm64") else "arm64"


@pytest.fixture
def elsewhere() -> Target:
    return target("lambda", arch=OTHER, python="3.13")


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    model = small_wheels.stand_in_bundle(tmp_path / "model", "int8")
    return Inputs(model=str(model), wheels=small_wheels.stand_in_wheels(tmp_path / "stand-ins", arch=OTHER))


def test_same_inputs_same_bytes(tmp_path: Path, elsewhere: Target, inputs: Inputs) -> None:
    """Two builds give one zip, with sorted names and no trace of when and where it was made."""
    first, second = tmp_path / "a" / "f.zip", tmp_path / "b" / "f.zip"
    for out in (first, second):
        package_lambda(out, elsewhere, inputs)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        entries = archive.infolist()
        assert [e.filename for e in entries] == sorted(e.filename for e in entries)
        assert {e.date_time for e in entries} == {(1980, 1, 1, 0, 0, 0)}
        assert {e.external_attr >> 16 for e in entries} == {0o100644}


def test_content(tmp_path: Path, elsewhere: Target, inputs: Inputs) -> None:
    """Runtime, licences, bundle, entry point and record are in; tests, starter and this command are not."""
    made = package_lambda(tmp_path / "f.zip", elsewhere, inputs)
    with zipfile.ZipFile(made.archives[0]) as archive:
        names = set(archive.namelist())
        record = json.loads(archive.read("clinspan-package.json"))
    assert {"lambda_function.py", "bundle/clinspan.json", "bundle/onnx/model_int8.onnx"} <= names
    assert {"numpy/__init__.py", "numpy-9.1.dist-info/licenses/LICENSE", "clinspan/recognizer.py"} <= names
    assert not [n for n in names if n.startswith(("clinspan/package/", "clinspan/starter/")) or "tests/" in n]
    assert {w["name"]: w["version"] for w in record["wheels"]} == small_wheels.VERSIONS
    assert record["target"] == {"service": "lambda", "arch": OTHER, "python": "3.13"}
    assert made.tested is None


def test_layers(tmp_path: Path, elsewhere: Target, inputs: Inputs) -> None:
    """Runtime and model become layers as Lambda unpacks them; the function names the model's layer."""
    made = package_lambda(tmp_path / "f.zip", elsewhere, inputs, layers=True)
    assert [path.name for path in made.archives] == ["f.zip", "f-runtime.zip", "f-model.zip"]
    names = {path.name: set(zipfile.ZipFile(path).namelist()) for path in made.archives}
    assert {n for n in names["f.zip"] if "__pycache__" not in n} == {
        "lambda_function.py",
        "clinspan-package.json",
        "clinspan-sbom.cdx.json",
    }
    assert all(name.startswith("python/") for name in names["f-runtime.zip"])
    assert all(name.startswith("bundle/") for name in names["f-model.zip"])
    with zipfile.ZipFile(made.archives[0]) as archive:
        assert b'"/opt/bundle"' in archive.read("lambda_function.py")


def test_gcf_source(tmp_path: Path, inputs: Inputs) -> None:
    """A source zip has main.py and asks the build for functions-framework alone."""
    place = Target("gcf", OTHER, "3.13", 35)
    made = package_gcf(tmp_path / "f.zip", place, inputs)
    with zipfile.ZipFile(made.archives[0]) as archive:
        assert b"import http as clinspan_http" in archive.read("main.py")
        assert archive.read("requirements.txt").split(b">=")[0] == b"functions-framework"


def test_own_handler_is_packed(tmp_path: Path, elsewhere: Target, inputs: Inputs) -> None:
    """FILE.py:FUNCTION packs the file and names its function."""
    own = tmp_path / "ward.py"
    own.write_text("def answer(event, context):\n    return {}\n")
    made = package_lambda(tmp_path / "f.zip", elsewhere, inputs, handler=f"{own}:answer")
    assert made.entry == "ward.answer"
    with zipfile.ZipFile(made.archives[0]) as archive:
        assert archive.read("ward.py") == own.read_bytes()


@pytest.mark.parametrize("handler", ["nodot", "numpy.handler", "json.handler", "a-b.handler", "gone.py:f"])
def test_refuses_a_handler_that_cannot_be(
    tmp_path: Path, elsewhere: Target, inputs: Inputs, handler: str
) -> None:
    """A string that is not a name, or a name that hides a module of the package, is refused before any work."""
    with pytest.raises(PackageError, match="--handler"):
        package_lambda(tmp_path / "f.zip", elsewhere, inputs, handler=handler)


def test_refuses_what_lambda_would_refuse(
    tmp_path: Path, elsewhere: Target, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the unpacked limit nothing is written; the message has the table and the way out."""
    monkeypatch.setattr(sizes, "LAMBDA_UNPACKED", 10**5)
    with pytest.raises(PackageError, match="too large") as caught:
        package_lambda(tmp_path / "out" / "f.zip", elsewhere, inputs)
    assert "0.1 MB unpacked: DOES NOT FIT" in str(caught.value)
    assert "clinspan package container" in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_refuses_a_binary_for_another_machine(tmp_path: Path, elsewhere: Target) -> None:
    """A wheel that holds a library for the wrong machine is found by its ELF header."""
    here = "arm64" if OTHER == "x86_64" else "x86_64"
    extra = {"numpy/stray.so": small_wheels.elf(here)}
    wheels = small_wheels.stand_in_wheels(tmp_path / "mixed", arch=OTHER, extra=extra)
    with pytest.raises(PackageError, match=rf"stray\.so is for {here}, and the package for {OTHER}"):
        package_lambda(tmp_path / "f.zip", elsewhere, Inputs(wheels=wheels))


def test_refuses_a_wheel_that_leaves_its_folder(tmp_path: Path, elsewhere: Target) -> None:
    """A path with `..` in a wheel is never written."""
    wheels = small_wheels.stand_in_wheels(tmp_path / "bad", arch=OTHER, extra={"../escape.py": b""})
    with pytest.raises(PackageError, match="outside its folder"):
        package_lambda(tmp_path / "f.zip", elsewhere, Inputs(wheels=wheels))


def test_says_which_wheel_is_missing(tmp_path: Path, elsewhere: Target) -> None:
    """A missing wheel is named with the target that it is missing for."""
    wheels = small_wheels.stand_in_wheels(tmp_path / "few", arch=OTHER, skip="onnxruntime")
    with pytest.raises(PackageError, match=rf"no wheel of onnxruntime\S+ for Python 3.13 on {OTHER}"):
        package_lambda(tmp_path / "f.zip", elsewhere, Inputs(wheels=wheels))


def test_a_library_that_is_linked_stays(tmp_path: Path, elsewhere: Target, inputs: Inputs) -> None:
    """The library of onnxruntime goes as a second copy only while its Python module does without it."""
    wheels = small_wheels.stand_in_wheels(tmp_path / "w", arch=OTHER, skip="onnxruntime")
    for linked, rest in [(False, b""), (True, b"libonnxruntime.so.9\0")]:
        path = wheels / f"onnxruntime-9.3-py3-none-manylinux_2_17_{elsewhere.machine}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("onnxruntime-9.3.dist-info/METADATA", "Name: onnxruntime\nVersion: 9.3\n")
            archive.writestr("onnxruntime-9.3.dist-info/WHEEL", "Wheel-Version: 1.0\n")
            archive.writestr("onnxruntime/capi/libonnxruntime.so.9", small_wheels.elf(OTHER))
            archive.writestr("onnxruntime/capi/onnxruntime_pybind11_state.so", small_wheels.elf(OTHER) + rest)
        made = package_lambda(tmp_path / "f.zip", elsewhere, replace(inputs, wheels=wheels), force=True)
        with zipfile.ZipFile(made.archives[0]) as archive:
            assert ("onnxruntime/capi/libonnxruntime.so.9" in archive.namelist()) == linked


def test_lambda_python_3_11_names_the_way_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lambda's python3.11 has a C library older than onnxruntime's wheels need: said, not found out there."""
    empty = tmp_path / "none"
    empty.mkdir()
    arguments = [
        "package",
        "lambda",
        "--python",
        "3.11",
        "--wheels",
        str(empty),
        "--out",
        str(tmp_path / "f.zip"),
    ]
    assert main(arguments) == 1
    assert "--python 3.12" in capsys.readouterr().err


def test_command_line(tmp_path: Path, inputs: Inputs, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints the table, the routes and that no self-test was run, and exits with 0."""
    arguments = ["package", "lambda", "--arch", OTHER, "--python", "3.13", "--model", str(inputs.model)]
    assert main([*arguments, "--wheels", str(inputs.wheels), "--out", str(tmp_path / "f.zip")]) == 0
    shown = capsys.readouterr().out
    assert "NOT RUN" in shown
    assert "uploaded directly" in shown
    assert "handler       lambda_function.lambda_handler" in shown


def test_an_untested_package_has_an_exit_code_of_its_own(
    tmp_path: Path, inputs: Inputs, capsys: pytest.CaptureFixture[str]
) -> None:
    """On request 3 says that the package was made and never run; standard error says so in any case."""
    arguments = ["package", "lambda", "--arch", OTHER, "--python", "3.13", "--model", str(inputs.model)]
    arguments += ["--wheels", str(inputs.wheels), "--out", str(tmp_path / "f.zip"), "--require-self-test"]
    assert main(arguments) == 3
    assert (tmp_path / "f.zip").is_file()
    assert "never run" in capsys.readouterr().err


@pytest.mark.parametrize("taken", ["f.zip", "f-model.zip"])
def test_a_file_is_replaced_only_when_asked(
    tmp_path: Path, elsewhere: Target, inputs: Inputs, taken: str
) -> None:
    """A file that stands at one of the places stops the command before any work; force replaces it."""
    (tmp_path / taken).write_text("mine")
    with pytest.raises(PackageError, match="exists already"):
        package_lambda(tmp_path / "f.zip", elsewhere, inputs, layers=True)
    assert (tmp_path / taken).read_text() == "mine"
    assert [path.name for path in tmp_path.glob("f*.zip")] == [taken]
    package_lambda(tmp_path / "f.zip", elsewhere, inputs, layers=True, force=True)
    assert zipfile.is_zipfile(tmp_path / taken)


def test_one_precision_is_packed(tmp_path: Path, elsewhere: Target, inputs: Inputs) -> None:
    """A bundle with two models goes in with the one that the function will run, and a manifest that says so."""
    bundle = small_wheels.stand_in_bundle(tmp_path / "two", "int8", "fp32")
    package_lambda(tmp_path / "f.zip", elsewhere, Inputs(model=str(bundle), wheels=inputs.wheels))
    with zipfile.ZipFile(tmp_path / "f.zip") as archive:
        assert "bundle/onnx/model.onnx" not in archive.namelist()
        assert list(json.loads(archive.read("bundle/clinspan.json"))["models"]) == ["int8"]


def test_runtime_without_model_is_at_most_100_mb(package: Package) -> None:
    """Everything but the model and its tokenizer, bytecode included."""
    runtime = [p for p in package.parts if p.name not in ("model", "tokenizer and labels")]
    assert sum(part.unpacked for part in runtime) <= 100e6


def test_the_starter_may_be_uploaded_directly(package: Package) -> None:
    """Bytecode included, and for Python 3.11 too, whose numpy is the largest; 150 kB are left for what is to come."""
    (direct,) = [way for way in package.routes if way.name == "zip, uploaded directly"]
    assert direct.size <= direct.limit - 150_000, direct.size


def test_self_test_ran_alone(package: Package) -> None:
    """The real package was called in a bare interpreter and found spans."""
    assert package.tested is not None
    assert (package.tested.what, package.tested.found > 0) == ("spans", True)


def test_a_package_that_lacks_a_module_is_refused(unpacked: Path, tmp_path: Path) -> None:
    """The self-test finds what a rule that leaves out too much would break."""
    folder = tmp_path / "less"
    shutil.copytree(unpacked, folder, copy_function=os.link)
    shutil.rmtree(folder / "numpy" / "linalg")
    with pytest.raises(PackageError, match="does not run alone"):
        self_test.self_test(
            sys.executable, [folder], entry=("lambda_function", "lambda_handler"), kind="lambda"
        )


def test_a_package_that_reaches_outside_is_refused(unpacked: Path, tmp_path: Path) -> None:
    """The self-test finds a module that was taken from anywhere but the package and the standard library."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "helper.py").write_text("")
    (tmp_path / "reaching.py").write_text(
        f"import sys\nsys.path.append({str(tmp_path / 'elsewhere')!r})\nimport helper\n"
        "from lambda_function import lambda_handler\n"
    )
    folder = tmp_path / "task"
    shutil.copytree(unpacked, folder, copy_function=os.link)
    (tmp_path / "reaching.py").rename(folder / "reaching.py")
    with pytest.raises(PackageError, match=r"files from outside: .*helper\.py"):
        self_test.self_test(sys.executable, [folder], entry=("reaching", "lambda_handler"), kind="lambda")
