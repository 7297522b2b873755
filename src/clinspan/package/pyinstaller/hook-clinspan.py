"""Tell PyInstaller what a frozen program needs of clinspan besides what its imports show.

These are the starter model and the lists of cues, and the commands and public names, whose modules are imported by
name once they are asked for. See https://pyinstaller.org/en/stable/hooks.html.
"""

from __future__ import annotations

from pathlib import Path

import clinspan
from clinspan import clinical

_ROOT = Path(__file__).parents[2]

datas = [
    (str(path), str(Path("clinspan", path.relative_to(_ROOT).parent)))
    for path in sorted(_ROOT.rglob("*"))
    if path.is_file() and path.suffix not in (".py", ".pyc")
]
hiddenimports = [
    *sorted({*clinspan._HOMES.values(), *(f"clinspan.clinical.{home}" for home in clinical._HOMES.values())}),
    *(
        ".".join(("clinspan", *path.relative_to(_ROOT).with_suffix("").parts))
        for path in sorted((_ROOT / "cli").rglob("*.py"))
        if path.stem != "__init__"
    ),
]
