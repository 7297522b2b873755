"""Small wheels that stand in for the large ones, and a read-only place to run a package in."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from clinspan.bundle.integrity import record_file
from clinspan.bundle.loading import STARTER
from clinspan.bundle.manifest import open_bundle

VERSIONS = {"numpy": "9.1", "tokenizers": "9.2", "onnxruntime": "9.3"}
_ELF = {"x86_64": b"\x3e\x00", "arm64": b"\xb7\x00"}


def elf(arch: str) -> bytes:
    """The first bytes of a shared library for a machine."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00" + _ELF[arch] + bytes(44)


def stand_in_wheels(
    folder: Path, *, arch: str, extra: Mapping[str, bytes] | None = None, skip: str = ""
) -> Path:
    """Write wheels of numpy, tokenizers and onnxruntime for a machine; `extra` goes into numpy's."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = {"x86_64": "x86_64", "arm64": "aarch64"}[arch]
    for name, version in VERSIONS.items():
        if name == skip:
            continue
        info = f"{name}-{version}.dist-info"
        files = {
            f"{name}/__init__.py": b"VALUE = frozenset({'a', 'b', 'c'})\n",
            f"{name}/core.so": elf(arch),
            f"{name}/tests/test_core.py": b"raise SystemExit\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n",
            f"{info}/licenses/LICENSE": b"The terms.\n",
            f"{info}/RECORD": b"",
        }
        if name == "numpy":
            files |= dict(extra or {})
        path = folder / f"{name}-{version}-py3-none-manylinux_2_17_{machine}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for file, data in files.items():
                archive.writestr(file, data)
    return folder


def stand_in_bundle(folder: Path, *precisions: str) -> Path:
    """Write a bundle whose models are a few bytes: it can be packed and not be run."""
    (folder / "onnx").mkdir(parents=True)
    for name in ("config.json", "tokenizer.json"):
        shutil.copyfile(STARTER / name, folder / name)
    files = {"int8": "onnx/model_int8.onnx", "fp32": "onnx/model.onnx"}
    for precision in precisions:
        (folder / files[precision]).write_bytes(b"model")
    models = {precision: record_file(folder, files[precision]) for precision in precisions}
    tokenizer = record_file(folder, "tokenizer.json")
    replace(open_bundle(STARTER), path=folder, models=models, tokenizer=tokenizer).write_manifest()
    return folder


def read_only(folder: Path, command: list[str]) -> list[str]:
    """A command that runs with a folder read-only: by permissions, or for root by a mount of its own."""
    if os.geteuid() != 0:
        subprocess.run(["chmod", "-R", "a-w", str(folder)], check=True)
        return command
    if shutil.which("unshare") is None:
        return command
    mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", mount, str(folder), *command]


def content(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file of a folder with its size and time of change."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }
