"""A function's zip for AWS Lambda, or for Google's functions: the story of a package."""

from __future__ import annotations

import keyword
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clinspan.package import assemble, sizes
from clinspan.package.archive import write_zip
from clinspan.package.assemble import Stage
from clinspan.package.errors import PackageError
from clinspan.package.resolve import resolve, runtime_requirements
from clinspan.package.sbom import SBOM, sbom, write_bill
from clinspan.package.selftest import SelfTest, check_machine, find_interpreter, self_test
from clinspan.package.targets import Target

Progress = Callable[[str], None]

LAMBDA_HANDLER = "lambda_function.lambda_handler"
_ORDER = ("numpy", "onnxruntime", "tokenizers", "clinspan", "model", "tokenizer and labels")

_ENTRY = '''"""Made by `clinspan package`: loads the model in the init phase and answers requests."""

import os
from pathlib import Path

os.environ.setdefault("CLINSPAN_MODEL", {model})

from clinspan.serving import {name} as {function}  # noqa: E402
'''
_BESIDE = 'str(Path(__file__).with_name("bundle"))'
_LAYER = '"/opt/bundle"'
_GCF_REQUIREMENTS = "functions-framework>=3.8,<4\n"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What goes into a package, and how it is checked.

    Attributes:
        model: a bundle's folder; None for the starter.
        precision: which of its models; None for the best on CPU.
        wheels: folder to take wheels from without an index; None for pip's index.
        interpreter: Python of the target's version for self-test and bytecode; None to look for one.
        keep: patterns of files that are packed although inference never imports them.
        sbom: where to write the bill of materials besides; it is in the package anyway.
    """

    model: str | None = None
    precision: str | None = None
    wheels: Path | None = None
    interpreter: str | None = None
    keep: tuple[str, ...] = ()
    sbom: Path | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """The function that the service calls: module, function and the module's source."""

    module: str
    function: str
    source: str

    @property
    def name(self) -> str:
        """As services write it."""
        return f"{self.module}.{self.function}"


@dataclass(frozen=True, slots=True)
class Package:
    """What was made.

    Attributes:
        archives: the zips.
        parts: their content.
        routes: ways to deploy it.
        entry: function to name in the service's settings.
        binaries: number of shared libraries, all of them for the target's machine.
        tested: the self-test; None where no Python of the target runs here.
        left_out: reason -> bytes.
        text: table of the sizes.
    """

    archives: tuple[Path, ...]
    parts: tuple[sizes.Part, ...]
    routes: tuple[sizes.Route, ...]
    entry: str
    binaries: int
    tested: SelfTest | None
    left_out: dict[str, int]
    text: str


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things lie: archive's suffix -> folder of the stage, and folders inside it for each thing."""

    archives: dict[str, str]
    runtime: str = ""
    model: str = ""
    function: str = ""
    prefix: str = "/var/task"


_ONE_ZIP = _Layout({"": ""})
_LAYERS = _Layout(
    {"": "function/", "-runtime": "runtime/", "-model": "model/"},
    "runtime/python/",
    "model/",
    "function/",
    "/opt",
)


def package_lambda(
    out: Path,
    target: Target,
    inputs: Inputs,
    *,
    handler: str = LAMBDA_HANDLER,
    layers: bool = False,
    progress: Progress = lambda _: None,
) -> Package:
    """Make a zip for AWS Lambda, or three: function, runtime layer and model layer.

    Args:
        out: the .zip to write; layers are written beside it.
        target: where it will run.
        inputs: model, wheels, interpreter.
        handler: `MODULE.FUNCTION` to be made, or `FILE.py:FUNCTION` of your own.
        layers: split runtime and model from the function.
        progress: told each stage in a line.

    Raises:
        PackageError: a wheel is missing, a limit is passed or the package does not run; nothing is written.
    """
    entry = entry_of(handler, "handler", layered=layers)
    layout = _LAYERS if layers else _ONE_ZIP

    def routes(parts: Sequence[sizes.Part], archives: dict[str, int]) -> list[sizes.Route]:
        return sizes.lambda_routes(parts, archives)

    return _make(out, target, inputs, entry, layout, kind="lambda", routes=routes, progress=progress)


def package_gcf(out: Path, target: Target, inputs: Inputs, *, progress: Progress = lambda _: None) -> Package:
    """Make a source zip for Google's functions; functions-framework calls `clinspan_http` in main.py.

    Raises:
        PackageError: a wheel is missing or the package does not run; nothing is written.
    """
    entry = Entry("main", "clinspan_http", _source("http", "clinspan_http", _BESIDE))

    def routes(parts: Sequence[sizes.Part], archives: dict[str, int]) -> list[sizes.Route]:
        return sizes.gcf_routes(parts, sum(archives.values()))

    return _make(
        out, target, inputs, entry, _Layout({"": ""}, prefix="/workspace"),
        kind="http", routes=routes, progress=progress,
    )  # fmt: skip


def _make(
    out: Path,
    target: Target,
    inputs: Inputs,
    entry: Entry,
    layout: _Layout,
    *,
    kind: str,
    routes: Callable[[Sequence[sizes.Part], dict[str, int]], list[sizes.Route]],
    progress: Progress,
) -> Package:
    interpreter = find_interpreter(target, inputs.interpreter)
    bundle, precision = assemble.choose_model(inputs.model, inputs.precision)
    with tempfile.TemporaryDirectory(prefix="clinspan-") as work:
        progress(f"resolving wheels for {target}")
        wheels = resolve(runtime_requirements(), target, Path(work, "wheels"), wheels=inputs.wheels)
        progress("assembling " + ", ".join(f"{wheel.name} {wheel.version}" for wheel in wheels))
        stage = Stage(Path(work, "package"))
        assemble.add_runtime(stage, wheels, folder=layout.runtime, keep=inputs.keep)
        packed = assemble.add_model(stage, bundle, precision, folder=layout.model)
        _add_entry(stage, layout, entry, kind)
        facts = {"entry": entry.name, "bytecode": interpreter is not None}
        assemble.add_record(stage, target, wheels, packed, facts=facts, folder=layout.function)
        bill = sbom(target.service, wheels, packed)
        stage.add(f"{layout.function}{SBOM}", bill, "clinspan")
        binaries = check_machine([stage.root / path for path in stage.parts], target)
        tested = None
        if interpreter is not None:
            assemble.add_bytecode(stage, interpreter, prefix=layout.prefix)
            if target.is_host:
                progress(f"self-test in {interpreter}")
                tested = _test(stage, layout, interpreter, entry, kind)
        progress("compressing")
        made = _write(out, stage, layout, entry, binaries, tested, routes)
        if inputs.sbom is not None:
            write_bill(inputs.sbom, bill)
        return made


def _add_entry(stage: Stage, layout: _Layout, entry: Entry, kind: str) -> None:
    stage.add(f"{layout.function}{entry.module}.py", entry.source.encode(), "clinspan")
    if kind == "http":
        stage.add("requirements.txt", _GCF_REQUIREMENTS.encode(), "clinspan")


def _test(stage: Stage, layout: _Layout, interpreter: str, entry: Entry, kind: str) -> SelfTest:
    folders = list(dict.fromkeys([stage.root / layout.function, stage.root / layout.runtime]))
    layered = {"CLINSPAN_MODEL": str(stage.root / layout.model / assemble.MODEL_FOLDER)}
    return self_test(
        interpreter,
        folders,
        entry=(entry.module, entry.function),
        kind=kind,
        environment=layered if layout.model else {},
    )


def _write(
    out: Path,
    stage: Stage,
    layout: _Layout,
    entry: Entry,
    binaries: int,
    tested: SelfTest | None,
    routes: Callable[[Sequence[sizes.Part], dict[str, int]], list[sizes.Route]],
) -> Package:
    """Write the archives beside their places, measure them, and move them there only if they fit."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.stem}.", dir=out.parent) as work:
        zipped: dict[str, int] = {}
        made: dict[Path, Path] = {}
        for suffix, folder in layout.archives.items():
            files = {p.removeprefix(folder): f for p, f in stage.files().items() if p.startswith(folder)}
            place = out.with_name(f"{out.stem}{suffix}{out.suffix}")
            made[place] = Path(work, place.name)
            zipped |= {f"{folder}{p}": size for p, size in write_zip(made[place], files).items()}
        archives = {place.name: temporary.stat().st_size for place, temporary in made.items()}
        parts = sizes.measure(stage.root, stage.parts, zipped, order=_ORDER)
        ways = routes(parts, archives)
        text = sizes.table(parts, ways, archives)
        if any(way.required and not way.fits for way in ways):
            raise PackageError(f"too large, and nothing was written\n\n{text}\n\n{_WAY_OUT}")
        for place, temporary in made.items():
            temporary.replace(place)
    return Package(
        tuple(made), tuple(parts), tuple(ways), entry.name, binaries, tested, dict(stage.left_out), text
    )


_WAY_OUT = (
    "Way out: `clinspan package container` makes an image, which may be 10 GB; or pack --precision int8, "
    "or a smaller model."
)


def entry_of(handler: str, name: str, *, layered: bool = False) -> Entry:
    """The function that a service will call.

    Args:
        handler: `MODULE.FUNCTION` to be made, or `FILE.py:FUNCTION` of the user's own.
        name: of the entry point in `clinspan.serving`.
        layered: the model lies in a layer and not beside the module.

    Raises:
        PackageError: it is neither, the file cannot be read, or the module would hide another.
    """
    file, colon, function = handler.rpartition(":")
    if colon:
        path = Path(file)
        _check_names(path.stem, function, handler)
        try:
            return Entry(path.stem, function, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise PackageError(f"--handler {handler}: cannot read {file}") from error
    module, _, function = handler.rpartition(".")
    _check_names(module, function, handler)
    return Entry(module, function, _source(name, function, _LAYER if layered else _BESIDE))


def _check_names(module: str, function: str, handler: str) -> None:
    taken = {
        "numpy",
        "onnxruntime",
        "tokenizers",
        "clinspan",
        assemble.MODEL_FOLDER,
    } | sys.stdlib_module_names
    for name in (module, function):
        if not name.isidentifier() or keyword.iskeyword(name):
            raise PackageError(f"--handler {handler}: expected MODULE.FUNCTION or FILE.py:FUNCTION")
    if module in taken:
        raise PackageError(f"--handler {handler}: a module {module!r} would hide another of that name")


def _source(name: str, function: str, model: str) -> str:
    return _ENTRY.format(model=model, name=name, function=function)
