"""Every mistake on the page of troubleshooting gets the line that the page says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support import bundles
from tests.support.example_notes import ROOT

from clinspan import ClinspanError, LoadOptions, Recognizer

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (.+?) \| `(.+?)` \|$", PAGE, re.MULTILINE)
FOLDERS = {
    "a PyTorch checkpoint given as a model": ["config.json", "model.safetensors"],
    "the output folder of a Trainer": ["checkpoint-500/config.json"],
    "a LoRA or other PEFT adapter": ["adapter_config.json"],
    "a sentence-transformers folder": ["modules.json"],
    "a TensorFlow or Flax model": ["tf_model.h5"],
    "a spaCy pipeline": ["config.cfg", "meta.json"],
    "a download that stopped half way": ["config.json"],
    "an empty folder": [],
}


class Frame:
    """Looks like a data frame."""

    columns = ("text",)


def load(**options: Any) -> Callable[[Recognizer], object]:
    return lambda recognizer: Recognizer.load(recognizer.report().path, **options)


def after_closing(recognizer: Recognizer) -> object:
    recognizer.close()
    return recognizer.recognize("pain")


def edited(recognizer: Recognizer) -> object:
    path = Path(recognizer.report().path, bundles.MODEL)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    return Recognizer.load(path.parents[1])


CALLS: dict[str, Callable[[Recognizer], object]] = {
    '`Recognizer("bundle")`': lambda _: Recognizer("bundle"),  # type: ignore[arg-type]
    "one string to `pipe`": lambda recognizer: recognizer.pipe("pain"),
    "a dictionary to `pipe`": lambda recognizer: recognizer.pipe({"a": "pain"}),
    "a data frame to `pipe`": lambda recognizer: recognizer.pipe(Frame()),  # type: ignore[call-overload]
    "None or NaN among the notes": lambda recognizer: list(recognizer.pipe(["pain", None])),
    "a threshold of 95": lambda recognizer: recognizer.recognize("pain", threshold=95),
    "a label that the model does not have": lambda recognizer: recognizer.recognize(
        "x", threshold={"Drug": 0.5}
    ),
    "a precision that the bundle does not hold": load(precision="int8"),
    "a window longer than the model reads": load(window=5000),
    '`device="gpu"`': load(device="gpu"),
    '`device="cuda"` without an NVIDIA build': load(device="cuda"),
    "a recognizer used after `close()`": after_closing,
    "a file of the bundle that was edited": edited,
}


def test_the_page_and_this_file_know_the_same_mistakes() -> None:
    """At least twenty of them."""
    assert {what for what, _ in ROWS} == {*FOLDERS, *CALLS}
    assert len(ROWS) >= 20


@pytest.mark.parametrize(("what", "says"), ROWS, ids=[what for what, _ in ROWS])
def test_a_mistake_gets_the_line_that_the_page_says(what: str, says: str, tmp_path: Path) -> None:
    """In one line, of one of our own errors."""
    if what in FOLDERS:
        folder = tmp_path / "folder"
        folder.mkdir()
        for name in FOLDERS[what]:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("{}")
        call: Callable[[], object] = lambda: Recognizer.load(folder)  # noqa: E731
    else:
        recognizer = Recognizer.load(
            bundles.bundle(tmp_path / "bundle"), threads=1, options=LoadOptions(verify="full")
        )
        call = lambda: CALLS[what](recognizer)  # noqa: E731
    with pytest.raises(ClinspanError) as caught:
        call()
    assert says in str(caught.value).replace("`", "")
    assert "\n" not in str(caught.value)
