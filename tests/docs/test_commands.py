"""Commands on the pages have the options they are given, and proofs and scripts exist."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Iterator, Sequence

import pytest
from tests.support.example_notes import ROOT
from tests.support.pages import PAGES

from clinspan.cli.main import main as clinspan
from clinspan_export.cli.main import main as clinspan_export

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(name: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (page, words) for each line of a code block, or piece of code in a line, that calls a command."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = "\n".join(code for language, code in BLOCK.findall(text) if language in {"", "sh", "bash"})
        lines = blocks.replace("\\\n", " ").splitlines()
        lines += re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))
        for line in lines:
            if re.match(rf"\s*{re.escape(name)}\s", line):
                yield page.name, line.partition(" #")[0].split()[1:]


def help_of(main: Callable[[Sequence[str]], object], words: list[str]) -> str:
    """Return the help of a command."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    return said.getvalue()


@pytest.mark.parametrize(
    ("name", "main", "group"),
    [("clinspan", clinspan, "package"), ("clinspan-export", clinspan_export, "")],
    ids=["clinspan", "clinspan-export"],
)
def test_every_command_on_the_pages_has_the_options_that_it_is_given(
    name: str, main: Callable[[Sequence[str]], object], group: str
) -> None:
    """A renamed flag or command cannot stay on a page."""
    seen = 0
    for page, words in commands(name):
        known = r"[a-z]+(-bundle|-texts)?"
        levels = [
            word for word in words[:2] if re.fullmatch(known, word) and word not in {"checkpoint", "bundle"}
        ]
        levels = levels[: 2 if levels[:1] == [group] else 1]
        if any("|" in word for word in words):
            continue
        text = help_of(main, levels)
        assert text, f"{page}: {name} {' '.join(levels)} is not a command"
        for flag in (word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)):
            assert re.search(rf"(?<![\w-]){flag}(?![\w-])", text), f"{page}: {name} {levels} has no {flag}"
            seen += 1
    assert seen > 5


def test_every_module_and_script_that_a_page_runs_exists() -> None:
    """`python -m benchmarks memory` and `scripts/test` on a page can be typed as they stand."""
    seen = 0
    for page, words in commands("python"):
        if words[:1] == ["-m"] and words[1].split(".")[0] in {"benchmarks", "fuzz", "clinspan_export"}:
            folder = ROOT / "export" if words[1].startswith("clinspan_export") else ROOT
            path = folder / words[1].replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), f"{page}: {words[1]}"
            seen += 1
        elif words and words[0].endswith(".py"):
            assert (ROOT / words[0]).exists(), f"{page}: {words[0]}"
            seen += 1
    assert seen


def test_every_test_that_a_page_names_as_its_proof_exists() -> None:
    """A promise on a page whose test was renamed or removed has no proof."""
    sources = "\n".join(file.read_text(encoding="utf-8") for file in ROOT.glob("tests/**/*.py"))
    there = set(re.findall(r"def test_(\w+)", sources)) | {
        f"test_{file.stem[5:]}.py" for file in ROOT.glob("tests/**/test_*.py")
    }
    there.add("intra_op_num_threads")  # an option of onnxruntime
    for page in ROOT.glob("docs/evidence/*.md"):
        text = BLOCK.sub("", page.read_text(encoding="utf-8"))
        named = [
            name.removeprefix("test_") for name in re.findall(r"`([a-z]+(?:_[a-z0-9]+){3,})`", text)
        ] + re.findall(r"`(test_\w+\.py)`", text)
        assert [name for name in named if name not in there] == [], page.name
