"""Make a wheelhouse: a folder that installs clinspan and its model at a site without a network."""

from __future__ import annotations

import hashlib
from pathlib import Path

from clinspan import __version__
from clinspan.package.parts.assemble import MODEL_FOLDER, Inputs, Progress
from clinspan.package.parts.offline import LOCK, Folder, fill, finished, new_folder
from clinspan.package.parts.sbom import SBOM
from clinspan.package.targets import Target

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


def package_wheelhouse(
    out: Path, target: Target, inputs: Inputs, *, force: bool = False, progress: Progress = lambda _: None
) -> Folder:
    """Make a folder that installs clinspan and its model without a network.

    Args:
        out: the folder to make.
        target: where it will be installed.
        inputs: model and wheels.
        force: replace `out` if it exists.
        progress: called with a line of text for each stage.

    Raises:
        PackageError: a wheel is missing or `out` exists; nothing is left behind.
    """
    names = {
        "version": __version__,
        "python": target.python,
        "lock": LOCK,
        "model": MODEL_FOLDER,
        "sbom": SBOM,
    }
    with new_folder(out, force=force) as folder:
        wheels = fill(folder, target, inputs, progress)
        (folder / "install.sh").write_text(_INSTALL.format(**names))
        (folder / "install.sh").chmod(0o755)
        (folder / "README.txt").write_text(_README.format(target=target, **names))
        (folder / "SHA256SUMS").write_text(_sums(folder))
    return finished(out, wheels)


def _sums(folder: Path) -> str:
    lines = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    return "".join(lines)
