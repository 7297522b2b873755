"""Check that a package runs alone, and that every binary in it is for the target's machine."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from clinspan.errors import PackageError
from clinspan.package.targets import Target
from clinspan.strict_json import parse_object

_CALL = Path(__file__).with_name("call_function.py")
_SECONDS = 600
# e_machine of the ELF header: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
_ELF_MACHINES = {62: "x86_64", 183: "arm64"}


@dataclass(frozen=True, slots=True)
class SelfTest:
    """The result of a self-test: how many spans, labels or numbers its note got, and the files that were used."""

    found: int
    what: str
    used: tuple[str, ...]


def find_interpreter(target: Target, given: str | None) -> str | None:
    """Find a Python of the target's version that runs here: the one given, the one running, or one on PATH.

    Raises:
        PackageError: the one given is of another version, or does not run.
    """
    if given is not None:
        version = _version(given)
        if version != target.python:
            found = f"is Python {version}" if version else "does not run as a Python"
            raise PackageError(f"--interpreter {given} {found}: expected Python {target.python}")
        return given
    candidates = [sys.executable, shutil.which(f"python{target.python}")]
    return next((path for path in candidates if path and _version(path) == target.python), None)


def _version(interpreter: str) -> str | None:
    command = [interpreter, "-I", "-S", "-c", "import sys; print('{}.{}'.format(*sys.version_info))"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def self_test(
    interpreter: str,
    folders: Sequence[Path],
    *,
    entry: tuple[str, str],
    kind: str,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> SelfTest:
    """Call the packed function in a bare interpreter: no site-packages, no environment, only the package.

    Args:
        interpreter: a Python of the target's version.
        folders: what the service puts on the path.
        entry: module and function.
        kind: how to call the function: `lambda` or `http`.
        environment: the only variables that it sees.

    Raises:
        PackageError: it does not run, finds spans that are not the note's text, or uses files from outside.
    """
    command = [interpreter, "-I", "-S", "-B", str(_CALL), *entry, kind, *map(str, folders)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False, env=dict(environment)
        )
    except subprocess.TimeoutExpired as error:
        raise PackageError(f"the packed function gave no answer in {_SECONDS} s") from error
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise PackageError(f"the packed function does not run alone: {last}")
    found = parse_object(lines[-1], "the self-test's answer", error=PackageError, quotes=True)
    if found["status"] != 200:
        raise PackageError(f"the packed function failed on the self-test note: {found['error']}")
    if not found["exact"]:
        raise PackageError("the packed function gave spans that are not the text of the self-test note")
    if found["foreign"]:
        raise PackageError(f"the packed function uses files from outside: {found['foreign'][0]}")
    return SelfTest(found["found"], found["what"], tuple(found["used"]))


def check_machine(files: Iterable[Path], target: Target) -> int:
    """Check that every binary is for the target's machine.

    Returns:
        Number of binaries.

    Raises:
        PackageError: one is for another machine.
    """
    count = 0
    for path in files:
        machine = elf_machine(path)
        if machine is None:
            continue
        count += 1
        if machine != target.arch:
            raise PackageError(f"{path.name} is for {machine}, and the package for {target.arch}")
    return count


def elf_machine(path: Path) -> str | None:
    """Read the machine of an ELF file, such as `arm64`; None for any other file."""
    with path.open("rb") as stream:
        header = stream.read(20)
    if len(header) < 20 or header[:4] != b"\x7fELF":
        return None
    little = header[5] == 1
    (number,) = struct.unpack("<H" if little else ">H", header[18:20])
    return _ELF_MACHINES.get(number, f"machine {number}")
