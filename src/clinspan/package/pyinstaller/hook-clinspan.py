"""Tell PyInstaller what a frozen program needs of clinspan besides what its imports show.

These are the starter model and the lists of cues, and the commands, which are imported by their names. See
https://pyinstaller.org/en/stable/hooks.html.
"""

from __future__ import annotations

from pathlib import Path

_ROOT = Path(__file__).parents[2]

datas = [
    (str(path), str(Path("clinspan", path.relative_to(_ROOT).parent)))
    for path in sorted(_ROOT.rglob("*"))
    if path.is_file() and path.suffix not in (".py", ".pyc")
]
hiddenimports = [
    f"clinspan.cli.{path.stem}" for path in sorted((_ROOT / "cli").glob("*.py")) if path.stem != "__init__"
]
