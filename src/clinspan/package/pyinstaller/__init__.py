"""PyInstaller finds its hook for clinspan here, by the entry point `pyinstaller40`."""

from __future__ import annotations

from pathlib import Path


def hook_folders() -> list[str]:
    """List the folders with hooks."""
    return [str(Path(__file__).parent)]
