"""Every command of every shell block of the pages runs as it stands, beside small stand-ins for what a reader has.

What cannot run here is named in `NOT_RUN`, with the reason; its options are held to the command's own parser or help.
"""

from __future__ import annotations

import contextlib
import platform
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.example_notes import ROOT
from tests.support.hub.small_hub import COMMIT, SmallHub, serving
from tests.support.packages.small_wheels import VERSIONS, stand_in_wheels
from tests.support.pages import PAGES, Block, blocks
from tests.support.pages.commands import SERVERS, begins, commands, on_free_ports, read, run, served
from tests.support.pages.stand_ins import furnish, hub_files

BLOCKS = [block for page in PAGES for block in blocks(page) if block.language == "sh"]
# Beginning of a command -> why it is read and not run.
NOT_RUN = {
    "git": "a network",
    "cd": "the folder that git makes",
    "pip": "a network",
    "pre-commit": "a network",
    "uvx": "a network",
    "pipx": "a network",
    "aws": "an account",
    "celery": "a broker; tests/examples/test_examples.py runs a worker",
    "docker": "a daemon; test_container_steps_give_a_function_that_answers runs the steps",
    "sh wheelhouse/install.sh": "real wheels; test_wheelhouse_installs_without_a_network",
    "/opt/clinspan/bin/clinspan": "real wheels; test_wheelhouse_installs_without_a_network",
    "unzip": "real wheels; test_framework_loses_and_mixes_up_nothing",
    "functions-framework": "real wheels; test_framework_loses_and_mixes_up_nothing",
    "curl -s http://127.0.0.1:": "real wheels; test_framework_loses_and_mixes_up_nothing",
    "clinspan-export CHECKPOINT OUT --prune": "notes of a thousand tokens; tests/export/pruning/test_prune.py",
    "clinspan-export CHECKPOINT model --tune": "a trained classifier; tests/export/texts",
    "clinspan embed notes.csv.gz": "pyarrow; tests/cli/test_whole_texts.py",
    "clinspan bench": "a minute on a machine that does nothing else",
    "python -m benchmarks": "minutes on a machine that does nothing else",
    "python -m fuzz": "atheris, and as long as one lets it",
    "python -m clinspan_export.starter": "the corpora, and half an hour",
    "scripts/": "environments of their own, made from an index",
}
USED = {name for block in BLOCKS for words in commands(block.code) if (name := begins(words, tuple(NOT_RUN)))}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a checkpoint of a kind, once."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def of(kind: str) -> Path:
        from tests.support import tiny_checkpoints

        place = folder / kind
        if kind == "vectors" and not place.exists():
            import transformers

            made = tiny_checkpoints.save(folder / "tokens", "bert-cased")
            transformers.AutoModel.from_config(transformers.AutoConfig.from_pretrained(made)).save_pretrained(
                place
            )
            transformers.AutoTokenizer.from_pretrained(made).save_pretrained(place)
        elif not place.exists():
            odd = ("nothing", "['Living Beings', 'Virus']", "TEST")
            tiny_checkpoints.save(place, "bert-cased", labels=odd if kind == "odd" else tiny_checkpoints.BIO)
        return place

    return of


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: Callable[[str], Path]
) -> Iterator[Path]:
    """A folder to run in; the Hub is a small one on loopback, and training starts from a tiny encoder."""
    with contextlib.ExitStack() as stack:
        hub = stack.enter_context(
            serving(SmallHub({"org/name": hub_files()}, revisions=("main", "revision", COMMIT)))
        )
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        monkeypatch.setitem(VERSIONS, "awslambdaric", "9.4")
        for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("clinspan.package.functions.find_interpreter", lambda *_: None)
        yield tmp_path


@pytest.mark.filterwarnings("ignore")  # of torch and transformers
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_a_block_runs(
    block: Block, place: Path, checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command ends with 0, and those in `NOT_RUN` have the options that they are given."""
    code = on_free_ports(block.code)
    if re.search(r"^(clinspan-export|python -m (benchmarks|clinspan_export))", code, re.MULTILINE):
        pytest.importorskip("torch")
        pytest.importorskip("transformers")
    listed = commands(code)
    for file in blocks(ROOT / block.page):
        if file.file and f" {Path(file.file).stem}:" in code:
            for name in file.missing:
                pytest.importorskip(name)
    furnish(place, block.page, listed, code, checkpoint)
    if "finetune" in code or "train-bundle" in code:
        monkeypatch.setattr("clinspan_export.train.recipe._EPOCHS", (1, 1))
        monkeypatch.setattr("clinspan_export.train.recipe._PACKAGED_BASE", "not_installed")
        monkeypatch.setattr("clinspan_export.train.recipe._HUB_BASE", str(checkpoint("entities")))
    with contextlib.ExitStack() as servers:
        for words in listed:
            if begins(words, tuple(NOT_RUN)):
                read(words)
            elif begins(words, SERVERS):
                servers.enter_context(served(words, place))
            else:
                if words[:2] == ["clinspan", "package"]:
                    words += ["--wheels", str(_wheels(place, words))]
                status, said = run(words, place)
                assert status == 0, f"{' '.join(words)}: {said}"
                assert words[0] != "curl" or "pneumonia" in said


def _wheels(place: Path, words: list[str]) -> Path:
    """Wheels of a few bytes for the machine that the package is for."""
    arch = words[words.index("--arch") + 1] if "--arch" in words else platform.machine()
    return stand_in_wheels(place / "wheels", arch={"aarch64": "arm64"}.get(arch, arch))


def test_every_reason_not_to_run_a_command_is_needed() -> None:
    """And the tests that it names instead exist."""
    assert set(NOT_RUN) == USED
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for reason in NOT_RUN.values():
        for name in re.findall(r"test_\w+(?!\.py)\b", reason):
            assert f"def {name}(" in sources or f"{name}.py" in reason, name


def test_every_requirement_on_the_pages_can_be_asked_for() -> None:
    """The extras exist, and the address is the project's own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    seen = 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for extras in re.findall(r"(?:clinspan|[\s\"']\.)\[([\w,]+)\]", text):
            assert set(extras.split(",")) <= set(project["optional-dependencies"]), f"{page.name}: {extras}"
            seen += 1
        for address in re.findall(r"git\+(\S+?)[\"'`\s]", text):
            assert address == project["urls"]["Source"], page.name
    assert seen > 5
