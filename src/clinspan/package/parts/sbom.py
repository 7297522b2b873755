"""Write what a package is made of as a CycloneDX document, for scanners: wheels, clinspan, and the model.

Format: https://cyclonedx.org/docs/1.6/json/; package URLs: https://github.com/package-url/purl-spec. Written here
and not by a library, so that packing needs nothing but what inference needs; the tests check it with the reference
library.
"""

from __future__ import annotations

import json
import uuid
import zipfile
from collections.abc import Iterable, Sequence
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

from clinspan import __version__
from clinspan.bundle.manifest import Bundle
from clinspan.errors import PackageError
from clinspan.package.parts.resolve import Wheel

SBOM = "clinspan-sbom.cdx.json"

_SPEC = "1.6"
_ROOT = "package"


def bill_of_materials(kind: str, wheels: Iterable[Wheel], packed: Bundle) -> bytes:
    """Write the bill of materials of a package: the same bytes for the same parts.

    Args:
        kind: of package: `lambda`, `gcf`, `container` or `wheelhouse`.
        wheels: whose files are in it; the hashes are those of whole wheels, before anything was left out.
        packed: the bundle as it is in the package.

    Raises:
        PackageError: a wheel has no metadata.
    """
    libraries = {wheel.name: _library(wheel) for wheel in wheels}
    libraries.setdefault("clinspan", _described("clinspan", __version__) | _licence("Apache-2.0"))
    models = _models(packed)
    components = [*(libraries[name] for name in sorted(libraries)), *models]
    document: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{_SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": _SPEC,
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": _ROOT, "name": f"clinspan-{kind}"},
            "tools": {"components": [{"type": "application", "name": "clinspan", "version": __version__}]},
        },
        "components": components,
        "dependencies": _dependencies(libraries, models),
    }
    # No time and no random number: the parts alone decide what a document is called.
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}"
    return (json.dumps(document, indent=2) + "\n").encode()


def write_bill(path: Path, bill: bytes) -> None:
    """Write the bill to a file of its own, or raise PackageError."""
    try:
        path.write_bytes(bill)
    except OSError as error:
        raise PackageError(f"cannot write {path}: {error.strerror}") from error


def _library(wheel: Wheel) -> dict[str, Any]:
    metadata = _metadata(wheel)
    expression = metadata.get("License-Expression")
    classified = [
        line.rpartition(" :: ")[2]
        for line in metadata.get_all("Classifier", [])
        if line.startswith("License ::")
    ]
    # Older wheels put a name here, or the whole text of a licence.
    named = [line for line in [metadata.get("License", "")] if line and "\n" not in line and len(line) < 100]
    hashes = {"hashes": [{"alg": "SHA-256", "content": wheel.sha256}]}
    file = {"properties": [{"name": "clinspan:wheel", "value": wheel.path.name}]}
    return (
        _described(wheel.name, wheel.version) | hashes | _licence(expression, *(classified or named)) | file
    )


def _described(name: str, version: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{version}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _licence(expression: str | None, *names: str) -> dict[str, Any]:
    if expression:
        return {"licenses": [{"expression": expression}]}
    return {"licenses": [{"license": {"name": name}} for name in names]} if names else {}


def _metadata(wheel: Wheel) -> Message:
    with zipfile.ZipFile(wheel.path) as archive:
        names = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA") and n.count("/") == 1]
        if len(names) != 1:
            raise PackageError(f"{wheel.path.name} has {len(names)} METADATA files: it is not a wheel")
        return BytesHeaderParser().parsebytes(archive.read(names[0]))


def _models(packed: Bundle) -> list[dict[str, Any]]:
    """Describe the weights of each precision, and the tokenizer that they need."""
    files = [("machine-learning-model", f"{packed.name} ({name})", f) for name, f in packed.models.items()]
    for name, file in packed.models.items():
        if file.data is not None:
            files.append(("data", f"{packed.name} ({name} weights)", file.data))
    files.append(("data", f"{packed.name} (tokenizer)", packed.tokenizer))
    return [
        {
            "type": kind,
            "bom-ref": f"{kind}:{file.path}",
            "name": name,
            # The content is the only version that a model has.
            "version": f"sha256:{file.sha256}",
            "hashes": [{"alg": "SHA-256", "content": file.sha256}],
            "properties": [
                {"name": "clinspan:path", "value": file.path},
                {"name": "clinspan:size", "value": str(file.size)},
            ],
        }
        for kind, name, file in files
    ]


def _dependencies(
    libraries: dict[str, dict[str, Any]], models: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    refs = {name: library["bom-ref"] for name, library in libraries.items()}
    parts = sorted([*refs.values(), *(model["bom-ref"] for model in models)])
    runtime = [refs[name] for name in ("numpy", "onnxruntime", "tokenizers") if name in refs]
    used = {refs["clinspan"]: runtime, _ROOT: parts}
    return [{"ref": ref, "dependsOn": used.get(ref, [])} for ref in sorted([_ROOT, *parts])]
