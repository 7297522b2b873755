"""Find the note files of a folder, in the same order every time."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# What the name of the record of a run ends in, after the name of its results.
RUN_SUFFIX = ".run"


@dataclass(frozen=True, slots=True)
class Found:
    """A file in a folder, named by its path relative to the folder, with `/`; `problem` says why a folder is unreadable."""

    name: str
    path: Path
    problem: str = ""


def walk(
    folder: Path, suffixes: tuple[str, ...], *, left_out: Counter[str], exclude: Path | None = None
) -> Iterator[Found]:
    """List the note files of a folder and the folders in it, sorted by name, folder by folder.

    Links to files are followed; links to folders are not, so that no folder is read twice or without end.

    Args:
        folder: where to begin.
        suffixes: ends of the names of note files, in lower case.
        left_out: counts, by kind, the files that are not notes; filled during the walk.
        exclude: a file to skip without counting it, such as the results being written, with the record of their run.
    """
    beside = [] if exclude is None else [exclude, exclude.with_name(f"{exclude.name}{RUN_SUFFIX}")]
    own = [status for path in beside if (status := _status(path)) is not None]
    waiting: list[tuple[str, Path, bool]] = [("", folder, True)]
    while waiting:
        name, path, is_folder = waiting.pop()
        if not is_folder:
            yield Found(name, path)
            continue
        try:
            with os.scandir(path) as entries:
                children = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            yield Found(name or ".", path, f"{path}: {error.strerror}")
            continue
        for child in children:
            is_folder = child.is_dir(follow_symlinks=False)
            status = _status(Path(child.path))
            if status is not None and any(os.path.samestat(one, status) for one in own):
                continue
            kind = "" if is_folder else _other_kind(child, status, suffixes)
            if kind:
                left_out[kind] += 1
            else:
                waiting.append((f"{name}/{child.name}".lstrip("/"), path / child.name, is_folder))


def _status(path: Path) -> os.stat_result | None:
    """Look up what a path leads to; None where that cannot be told."""
    try:
        return path.stat()
    except OSError:
        return None


def _other_kind(entry: os.DirEntry[str], status: os.stat_result | None, suffixes: tuple[str, ...]) -> str:
    """Say what an entry is; an empty string for a note file."""
    if status is not None and stat.S_ISDIR(status.st_mode):
        return "linked folder"
    if not entry.name.lower().endswith(suffixes):
        return Path(entry.name).suffix.lower() or "no suffix"
    # Reading a pipe would wait for its writer. A link to nowhere is read, and its error is the note's.
    return "not a regular file" if status is not None and not stat.S_ISREG(status.st_mode) else ""
