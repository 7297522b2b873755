"""Make a function's zip for AWS Lambda or for Google, from wheels to archive."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from clinspan.errors import PackageError
from clinspan.package.entry_point import LAMBDA_HANDLER, EntryPoint, entry_point, entry_source
from clinspan.package.parts import assemble, sizes
from clinspan.package.parts.archive import write_zip
from clinspan.package.parts.assemble import Inputs, Progress, Stage
from clinspan.package.parts.resolve import resolve, runtime_requirements
from clinspan.package.parts.sbom import SBOM, bill_of_materials, write_bill
from clinspan.package.parts.self_test import SelfTest, check_machine, find_interpreter, self_test
from clinspan.package.targets import Target
from clinspan.textfiles import write_whole

# Parts and sizes of the archives -> ways to deploy them.
Routes = Callable[[Sequence[sizes.Part], dict[str, int]], list[sizes.Route]]

_ORDER = ("numpy", "onnxruntime", "tokenizers", "clinspan", "model", "tokenizer and labels")

_GCF_REQUIREMENTS = "functions-framework>=3.8,<4\n"
_WAY_OUT = (
    "Way out: `clinspan package container` makes an image, which may be 10 GB; or pack --precision int8, "
    "or a smaller model."
)


@dataclass(frozen=True, slots=True)
class Package:
    """A function's zip or zips, and what was found out about them.

    Attributes:
        archives: the zips.
        parts: their content.
        routes: ways to deploy it.
        entry: the function to name in the service's settings.
        binaries: number of shared libraries, all for the target's machine.
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
    """Where things lie: the stage's folder for each archive, by the suffix of its name, and the folder of each thing."""

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
    force: bool = False,
    progress: Progress = lambda _: None,
) -> Package:
    """Make a zip for AWS Lambda, or three: function, runtime layer and model layer.

    Args:
        out: the .zip to write; layers are written beside it.
        target: where it will run.
        inputs: model, wheels, interpreter.
        handler: `MODULE.FUNCTION` to make, or `FILE.py:FUNCTION` of your own.
        layers: split runtime and model from the function.
        force: replace files that stand at `out`.
        progress: called with a line of text for each stage.

    Raises:
        PackageError: `out` exists, a wheel is missing, a limit is exceeded or the package does not run; nothing is
            written.
    """
    return _make(
        out,
        target,
        inputs,
        entry_point(handler, "handler", layered=layers),
        _LAYERS if layers else _ONE_ZIP,
        kind="lambda",
        routes=sizes.lambda_routes,
        force=force,
        progress=progress,
    )


def package_gcf(
    out: Path, target: Target, inputs: Inputs, *, force: bool = False, progress: Progress = lambda _: None
) -> Package:
    """Make a source zip for Google's functions; functions-framework calls `clinspan_http` in main.py.

    Args:
        out: the .zip to write.
        target: where it will run.
        inputs: model, wheels, interpreter.
        force: replace a file that stands at `out`.
        progress: called with a line of text for each stage.

    Raises:
        PackageError: `out` exists, a wheel is missing or the package does not run; nothing is written.
    """
    return _make(
        out,
        target,
        inputs,
        EntryPoint("main", "clinspan_http", entry_source("http", "clinspan_http")),
        _Layout({"": ""}, prefix="/workspace"),
        kind="http",
        routes=sizes.gcf_routes,
        force=force,
        progress=progress,
    )


def _make(
    out: Path,
    target: Target,
    inputs: Inputs,
    entry: EntryPoint,
    layout: _Layout,
    *,
    kind: str,
    routes: Routes,
    force: bool,
    progress: Progress,
) -> Package:
    _check_free([_place(out, suffix) for suffix in layout.archives], force=force)
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
        bill = bill_of_materials(target.service, wheels, packed)
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


def _place(out: Path, suffix: str) -> Path:
    return out.with_name(f"{out.stem}{suffix}{out.suffix}")


def _check_free(places: Sequence[Path], *, force: bool) -> None:
    for place in places:
        if place.is_dir() or (place.exists() and not force):
            raise PackageError(f"{place} exists already: choose another name, or --force to replace a file")


def _add_entry(stage: Stage, layout: _Layout, entry: EntryPoint, kind: str) -> None:
    stage.add(f"{layout.function}{entry.module}.py", entry.source.encode(), "clinspan")
    if kind == "http":
        stage.add("requirements.txt", _GCF_REQUIREMENTS.encode(), "clinspan")


def _test(stage: Stage, layout: _Layout, interpreter: str, entry: EntryPoint, kind: str) -> SelfTest:
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
    entry: EntryPoint,
    binaries: int,
    tested: SelfTest | None,
    routes: Routes,
) -> Package:
    """Write the archives and measure them; they take their places only if they fit."""
    with ExitStack() as places:
        zipped: dict[str, int] = {}
        made: dict[Path, Path] = {}
        for suffix, folder in layout.archives.items():
            files = {p.removeprefix(folder): f for p, f in stage.files().items() if p.startswith(folder)}
            place = _place(out, suffix)
            made[place] = places.enter_context(write_whole(place))
            zipped |= {f"{folder}{p}": size for p, size in write_zip(made[place], files).items()}
        archives = {place.name: temporary.stat().st_size for place, temporary in made.items()}
        parts = sizes.measure(stage.root, stage.parts, zipped, order=_ORDER)
        ways = routes(parts, archives)
        text = sizes.table(parts, ways, archives)
        if any(way.required and not way.fits for way in ways):
            raise PackageError(f"too large, and nothing was written\n\n{text}\n\n{_WAY_OUT}")
    return Package(
        tuple(made), tuple(parts), tuple(ways), entry.name, binaries, tested, dict(stage.left_out), text
    )
