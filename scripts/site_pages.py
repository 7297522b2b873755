"""A hook of mkdocs: pages that live elsewhere in the repository, and links that lead out of docs/.

The sources keep links that work on the forge and in an editor: relative ones, to files of the repository. On the site, those
of pages lead to the page, and all others to the file on the forge.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# File of the repository -> its page on the site.
ELSEWHERE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "src/clinspan/starter/README.md": "starter.md",
}
_LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that live elsewhere."""
    for source, name in ELSEWHERE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=_FRONT_MATTER.sub("", text)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn links that lead out of docs/ into links to a page, or to the file on the forge."""
    own = page.file.src_uri
    source = next((place for place, name in ELSEWHERE.items() if name == own), f"docs/{own}")
    forge = f"{config.repo_url}/blob/main/"

    def turned(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), found[2]))
        if target.startswith("docs/") and files.get_file_from_path(target[5:]):
            place = posixpath.relpath(target[5:], posixpath.dirname(own) or ".")
        elif target in ELSEWHERE:
            place = posixpath.relpath(ELSEWHERE[target], posixpath.dirname(own) or ".")
        else:
            if not (ROOT / target).exists():
                return found[0]  # mkdocs says so
            place = forge + target
        return f"{found[1]}{place}{found[3]}"

    return _LINK.sub(turned, markdown)
