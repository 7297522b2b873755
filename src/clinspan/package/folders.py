"""Packages that are folders: a container's build context, and a wheelhouse for a site without a network.

Both hold the wheels, a lock with one hash for each, and the bundle; both install without any index.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clinspan import __version__
from clinspan.bundle.manifest import Bundle
from clinspan.package import assemble
from clinspan.package.assemble import MODEL_FOLDER, Stage
from clinspan.package.errors import PackageError
from clinspan.package.functions import LAMBDA_HANDLER, Inputs, Progress, entry_of
from clinspan.package.own import own_wheel
from clinspan.package.resolve import Wheel, lock, resolve, runtime_requirements
from clinspan.package.sbom import SBOM, sbom, write_bill
from clinspan.package.targets import Target

LOCK = "requirements.lock"
_SERVERS = {"lambda": "awslambdaric>=3", "http": "functions-framework>=3.8,<4"}

_DOCKERFILE = """\
# Made by `clinspan package container` {version}. The build needs the base image and nothing else:
#   docker build --network=none --tag clinspan-function .
#   docker run --read-only --tmpfs /tmp --cap-drop=ALL {publish}clinspan-function
ARG BASE=python:{python}-slim
FROM ${{BASE}} AS build
COPY wheels /wheels
COPY {lock} /{lock}
RUN python -m pip install --no-index --find-links=/wheels --require-hashes --no-deps --compile --target=/app -r /{lock}
COPY function /app
COPY bundle /app/bundle
# Readable by the user below, whatever the modes were where this folder was made.
RUN chmod -R u=rwX,go=rX /app

FROM ${{BASE}}
COPY --from=build /app /app
ENV PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 CLINSPAN_MODEL=/app/bundle
WORKDIR /app
USER 65532:65532
{start}
"""
_START = {
    "lambda": 'ENTRYPOINT ["python", "-m", "awslambdaric"]\nCMD ["{entry}"]',
    "http": 'EXPOSE 8080\nENTRYPOINT ["python", "-m", "functions_framework"]\n'
    'CMD ["--source=/app/{module}.py", "--target={function}", "--host=0.0.0.0", "--port=8080"]',
}

_INSTALL = """\
#!/bin/sh
# Installs clinspan {version} and its model into a new environment, from this folder alone.
#   sh install.sh FOLDER [PYTHON]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${{1:?usage: sh install.sh FOLDER [PYTHON]}}
python=${{2:-python{python}}}
(cd "$here" && sha256sum --check --quiet SHA256SUMS)
"$python" -c 'import sys; found = "%d.%d" % sys.version_info[:2]
sys.exit(0 if found == "{python}" else "these wheels are for Python {python}, and this is " + found)'
"$python" -m venv "$target"
"$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-index \\
  --find-links "$here/wheels" --require-hashes --no-deps -r "$here/{lock}"
mkdir -p "$target/share/clinspan"
cp -R "$here/{model}" "$target/share/clinspan/{model}"
"$target/bin/clinspan" info --model "$target/share/clinspan/{model}"
echo "installed: $target/bin/clinspan extract --model $target/share/clinspan/{model} NOTE.txt"
"""

_README = """\
clinspan {version} for {target}

  sh install.sh FOLDER      checks SHA256SUMS, makes an environment in FOLDER, installs from wheels/
                            without any index, and copies the model to FOLDER/share/clinspan/{model}

wheels/            every wheel that is installed; their licences are inside them
{lock}  one version and one hash for each
{model}/            the model
{sbom}  what all of it is: names, versions, licences and hashes, as CycloneDX
SHA256SUMS         of every other file here

tokenizers names huggingface_hub as a dependency. Inference never imports it, so it is not here, and
`pip check` in the new environment will say so.
"""


@dataclass(frozen=True, slots=True)
class Folder:
    """What was made: the folder, its wheels, bytes in all."""

    path: Path
    wheels: tuple[Wheel, ...]
    size: int


def package_container(
    out: Path,
    target: Target,
    inputs: Inputs,
    *,
    server: str = "lambda",
    handler: str | None = None,
    force: bool = False,
    progress: Progress = lambda _: None,
) -> Folder:
    """Make a folder that `docker build` turns into an image without a network.

    Args:
        out: the folder to make.
        target: where it will run.
        inputs: model and wheels.
        server: `lambda` for AWS Lambda's image functions, `http` for functions-framework on port 8080.
        handler: as in `package_lambda`.
        force: replace `out` where it exists.
        progress: told each stage in a line.

    Raises:
        PackageError: a wheel is missing or `out` exists; nothing is left behind.
    """
    default = LAMBDA_HANDLER if server == "lambda" else "main.clinspan_http"
    name = "handler" if server == "lambda" else "http"
    entry = entry_of(handler or default, name)
    bundle, precision = assemble.choose_model(inputs.model, inputs.precision)
    with _new_folder(out, force) as work:
        folder = Path(work, "context")
        wheels = _wheels(folder / "wheels", target, inputs, progress, server=_SERVERS[server])
        (folder / LOCK).write_text(lock(wheels))
        packed = assemble.add_model(Stage(folder), bundle, precision)
        _add_bill(folder, target, inputs, wheels, packed)
        (folder / "function").mkdir()
        (folder / "function" / f"{entry.module}.py").write_text(entry.source)
        start = _START[server].format(entry=entry.name, module=entry.module, function=entry.function)
        text = _DOCKERFILE.format(
            version=__version__,
            python=target.python,
            lock=LOCK,
            start=start,
            publish="" if server == "lambda" else "--publish 8080:8080 ",
        )
        (folder / "Dockerfile").write_text(text)
        return _finish(folder, out, wheels)


def package_wheelhouse(
    out: Path, target: Target, inputs: Inputs, *, force: bool = False, progress: Progress = lambda _: None
) -> Folder:
    """Make a folder that installs clinspan and its model where there is no network.

    Args:
        out: the folder to make.
        target: where it will be installed.
        inputs: model and wheels.
        force: replace `out` where it exists.
        progress: told each stage in a line.

    Raises:
        PackageError: a wheel is missing or `out` exists; nothing is left behind.
    """
    bundle, precision = assemble.choose_model(inputs.model, inputs.precision)
    with _new_folder(out, force) as work:
        folder = Path(work, "wheelhouse")
        wheels = _wheels(folder / "wheels", target, inputs, progress)
        (folder / LOCK).write_text(lock(wheels))
        packed = assemble.add_model(Stage(folder), bundle, precision)
        _add_bill(folder, target, inputs, wheels, packed)
        names = {
            "version": __version__,
            "python": target.python,
            "lock": LOCK,
            "model": MODEL_FOLDER,
            "sbom": SBOM,
        }
        (folder / "install.sh").write_text(_INSTALL.format(**names))
        (folder / "install.sh").chmod(0o755)
        (folder / "README.txt").write_text(_README.format(target=target, **names))
        (folder / "SHA256SUMS").write_text(_sums(folder))
        return _finish(folder, out, wheels)


def _wheels(
    folder: Path, target: Target, inputs: Inputs, progress: Progress, *, server: str | None = None
) -> list[Wheel]:
    progress(f"resolving wheels for {target}")
    wheels = resolve(runtime_requirements(), target, folder, wheels=inputs.wheels)
    if server is not None:
        wheels += resolve([server], target, folder, wheels=inputs.wheels, dependencies=True)
    wheels.append(own_wheel(folder))
    progress("resolved " + ", ".join(f"{wheel.name} {wheel.version}" for wheel in wheels))
    return sorted(wheels, key=lambda wheel: wheel.name)


def _add_bill(folder: Path, target: Target, inputs: Inputs, wheels: Sequence[Wheel], packed: Bundle) -> None:
    bill = sbom(target.service, wheels, packed)
    (folder / SBOM).write_bytes(bill)
    if inputs.sbom is not None:
        write_bill(inputs.sbom, bill)


def _new_folder(out: Path, force: bool) -> tempfile.TemporaryDirectory[str]:
    if out.exists() and not force:
        raise PackageError(f"{out} exists already: choose another folder, or --force to replace it")
    out.parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent)


def _finish(folder: Path, out: Path, wheels: Sequence[Wheel]) -> Folder:
    if out.is_dir():
        shutil.rmtree(out)
    folder.rename(out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return Folder(out, tuple(wheels), size)


def _sums(folder: Path) -> str:
    lines = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    return "".join(lines)
