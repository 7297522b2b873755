"""The house stands: imports go down the layers, never up or in a circle; folders stay small; a name means one thing.

The layers are those of docs/architecture.md. Every import is read from the source, those inside functions too.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.example_notes import ROOT

RUNTIME, EXPORTER = "clinspan", "clinspan_export"
FOLDERS = {RUNTIME: ROOT / "src" / RUNTIME, EXPORTER: ROOT / "export" / EXPORTER}

# The rooms of a package, from the ground up; a room may import from its own storey and from those below.
LAYERS = {
    RUNTIME: [
        {"errors", "options"},
        {"strict_json", "textfiles"},
        {"text"},
        {"engine"},
        {"bundle"},
        {"pipeline", "texts"},
        {"recognizer", "classifier", "embedder", "report", "__init__"},
        {"clinical", "documents", "interop", "extract"},
        {"serving", "package"},
        {"cli"},
        {"__main__"},
    ],
    EXPORTER: [
        {"errors", "quiet"},
        {"inspection"},
        {"checkpoint"},
        {"provenance", "graphs", "verify", "sign"},
        {"exporter"},
        {"texts"},
        {"__init__"},
        {"train"},
        {"pruning", "starter"},
        {"cli"},
        {"__main__"},
    ],
}
# Packages that one file alone imports, and with what it is named for.
ONLY_IN = {
    "tokenizers": {"clinspan.text.tokenizer"},
    # The script runs inside a package that was just made, and says what is in it.
    "onnxruntime": {"clinspan.engine.session", "clinspan.package.parts.call_function"},
}
BUILD_TIME = {"torch", "transformers", "optimum", "onnx", EXPORTER}
MOST_FILES = 12
MOST_MODULES = 10

# Names of a higher room that the package's own face shows, each imported there by one line.
FACE = {("clinspan", "clinspan.interop.html")}


@dataclass(frozen=True, slots=True, order=True)
class Import:
    """Module `name` imports `target`: a module, or another package's full name."""

    name: str
    target: str

    def __str__(self) -> str:
        return f"{self.name} -> {self.target}"


def modules(package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name; a folder's `__init__` is named as the folder."""
    found = {}
    for path in sorted(FOLDERS[package].rglob("*.py")):
        parts = [package, *path.relative_to(FOLDERS[package]).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = {name: path for package in FOLDERS for name, path in modules(package).items()}


def imports(names: Iterable[str]) -> Iterator[Import]:
    """Every import of these modules; relative ones are refused by ruff."""
    for name in names:
        for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (Import(name, target(alias.name)) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield from (Import(name, target(f"{node.module}.{alias.name}")) for alias in node.names)


def target(name: str) -> str:
    """The module that a dotted name is in: itself, or what holds it."""
    while name not in MODULES and name.partition(".")[0] in FOLDERS:
        name = name.rpartition(".")[0]
    return name


IMPORTS = sorted(set(imports(MODULES)))
OWN = [one for one in IMPORTS if one.target in MODULES]


def package_of(name: str) -> str:
    return name.partition(".")[0]


def room_of(name: str) -> str:
    """The folder or file of the package's root that a module is in."""
    return name.split(".")[1] if "." in name else "__init__"


def storey(name: str) -> int:
    """How far up a module's room is."""
    layers = LAYERS[package_of(name)]
    return next(number for number, rooms in enumerate(layers) if room_of(name) in rooms)


def circle(edges: Iterable[tuple[str, str]]) -> list[str]:
    """The first circle among pairs (from, to), or nothing."""
    graph: dict[str, set[str]] = defaultdict(set)
    for start, end in edges:
        if start != end:
            graph[start].add(end)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def doubled(named: Iterable[tuple[str, str]]) -> set[str]:
    """Names that two places have, with the places."""
    places: dict[str, set[str]] = defaultdict(set)
    for name, place in named:
        places[name].add(place)
    return {f"{name}: {', '.join(sorted(found))}" for name, found in places.items() if len(found) > 1}


def upward() -> set[str]:
    return {
        str(one)
        for one in OWN
        if package_of(one.name) == package_of(one.target)
        and storey(one.target) > storey(one.name)
        and (one.name, one.target) not in FACE
    }


def circles() -> set[str]:
    """One circle of modules and one of rooms for each package, as a chain of names."""
    found = set()
    for package in FOLDERS:
        own = [one for one in OWN if package_of(one.name) == package_of(one.target) == package]
        # A folder's `__init__` is run before its modules; so importing them lazily there does not make a circle.
        inner = [one for one in own if not one.name.startswith(f"{one.target}.")]
        found.add(" -> ".join(circle((one.name, one.target) for one in inner)))
        rooms = [(room_of(one.name), room_of(one.target)) for one in own]
        found.add(" -> ".join(circle(pair for pair in rooms if "__init__" not in pair)))
    return found - {""}


def text_on_more_than_errors() -> set[str]:
    allowed = {"text", "errors", "options"}
    return {
        str(one)
        for one in OWN
        if package_of(one.name) == RUNTIME
        and room_of(one.name) == "text"
        and room_of(one.target) not in allowed
    }


def libraries_in_other_files() -> set[str]:
    runtime = [one for one in IMPORTS if package_of(one.name) == RUNTIME]
    return {
        str(one)
        for one in runtime
        if package_of(one.target) in BUILD_TIME
        or one.name not in ONLY_IN.get(package_of(one.target), {one.name})
    }


def imports_of_command_lines() -> set[str]:
    return {
        str(one)
        for one in OWN
        if room_of(one.target) == "cli" and (room_of(one.name), package_of(one.name)) not in _COMMAND_LINES
    }


_COMMAND_LINES = {(room, package) for room in ("cli", "__main__") for package in FOLDERS}


def full_folders() -> set[str]:
    folders = [folder for root in FOLDERS.values() for folder in (root, *root.rglob("*")) if folder.is_dir()]
    folders += [folder for folder in (ROOT / "tests").rglob("*") if folder.is_dir()]
    count = {folder: len(_files(folder)) for folder in folders}
    found = {folder for folder, files in count.items() if files > MOST_FILES}
    found |= {FOLDERS[RUNTIME]} if count[FOLDERS[RUNTIME]] > MOST_MODULES else set()
    return {folder.relative_to(ROOT).as_posix() for folder in found}


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.py") if not path.stem.startswith("__")]


def files_of_one_name() -> set[str]:
    """Find names that two files of a package share; command lines are named for what they run and do not count."""
    found = set()
    for package, root in FOLDERS.items():
        paths = [path for path in root.rglob("*") if path.suffix == ".py" or any(path.glob("*.py"))]
        named = [
            (path.stem, path.relative_to(root).as_posix())
            for path in paths
            if not path.stem.startswith("__") and "cli" not in path.relative_to(root).parts[:-1]
        ]
        found |= {f"{package} {one}" for one in doubled(named)}
    return found


def classes_of_one_name() -> set[str]:
    """In both packages together; private ones are their own file's."""
    return doubled(
        (node.name, name)
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )


@pytest.mark.parametrize("package", FOLDERS)
def test_every_room_has_a_layer(package: str) -> None:
    """A new folder or file in the root says where it belongs by a place in `LAYERS`."""
    rooms = {room_of(name) for name in MODULES if package_of(name) == package}
    assert rooms - set().union(*LAYERS[package]) == set()


def test_no_import_goes_up() -> None:
    """A module imports from its own layer and those below it."""
    assert upward() == set()


def test_nothing_imports_in_a_circle() -> None:
    """Neither modules nor rooms: the layers alone would let two rooms of one layer lean on each other."""
    assert circles() == set()


def test_text_needs_errors_and_options_alone() -> None:
    """Only numpy and arithmetic turn a note into spans."""
    assert text_on_more_than_errors() == set()


def test_each_library_is_imported_in_one_file() -> None:
    """Tokenizers and onnxruntime have one door each, and the runtime never imports what builds models."""
    assert libraries_in_other_files() == set()


def test_no_library_module_imports_a_command_line() -> None:
    """A command line is what people type; a function that two of them share is below it."""
    assert imports_of_command_lines() == set()


def test_no_folder_holds_more_than_a_dozen_files() -> None:
    """And the runtime's root no more than ten modules, so that a stranger finds any step by its folder."""
    assert full_folders() == set()


def test_no_two_files_of_a_package_share_a_name() -> None:
    """One name, one step. Command lines are named for what they run, and are left out."""
    assert files_of_one_name() == set()


def test_no_two_classes_share_a_name() -> None:
    """One noun, one idea, in both packages."""
    assert classes_of_one_name() == set()
