"""A change in a bundle is noticed as far as `verify` asks for it, and every noticed change is refused."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import bundles, onnx_models, processes
from tests.support.example_notes import NOTE

from clinspan import BundleError, InputError, LoadOptions, Recognizer, Span
from clinspan.bundle import integrity as files
from clinspan.bundle.integrity import FileRecord
from clinspan.bundle.manifest import MANIFEST, open_bundle
from clinspan.cli.main import main

TOKENIZER = "tokenizer.json"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle; tests put back what they change."""
    return bundles.bundle(tmp_path_factory.mktemp("integrity") / "bundle")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle of the test's own."""
    return bundles.bundle(tmp_path / "bundle")


def spans_of(folder: Path, **options: Any) -> list[Span]:
    """Find the spans of our note with a bundle."""
    return Recognizer.load(folder, threads=1, options=LoadOptions(**options)).recognize(NOTE)


def flips(path: Path, masks: Callable[[random.Random], list[int]]) -> Iterator[None]:
    """The file with one byte changed, each in turn; whole again at the end."""
    content = path.read_bytes()
    chance = random.Random(11)
    with path.open("r+b", buffering=0) as stream:
        try:
            for place, byte in enumerate(content):
                for mask in masks(chance):
                    stream.seek(place)
                    stream.write(bytes([byte ^ mask]))
                    yield
                stream.seek(place)
                stream.write(bytes([byte]))
        finally:
            stream.seek(0)
            stream.write(content)


@pytest.mark.long
@pytest.mark.parametrize("name", [TOKENIZER, bundles.MODEL])
def test_every_byte_of_a_file_counts(whole: Path, name: str) -> None:
    """Any one byte changed, tokenizer or graph: refused by its hash before anything reads it."""
    opened = open_bundle(whole)
    count = 0
    for _ in flips(whole / name, lambda chance: [1 << chance.randrange(8)]):
        count += 1
        with pytest.raises(BundleError, match="sha256"):
            _ = opened.read_tokenizer() if name == TOKENIZER else opened.file(opened.models["fp32"])
        if count % 500 == 0:  # as a whole it takes longer
            with pytest.raises(BundleError, match="sha256"):
                Recognizer.load(whole, threads=1)
    assert count == (whole / name).stat().st_size > 1000


def test_every_byte_of_the_manifest_counts(whole: Path) -> None:
    """Any byte changed in case or in another bit: refused, or only layout was changed and the answer is the same."""
    expected = open_bundle(whole)
    spans = spans_of(whole)
    refused = 0
    for _ in flips(whole / MANIFEST, lambda chance: [0x20, 1 << chance.choice([0, 1, 2, 3, 4, 6, 7])]):
        try:
            opened = open_bundle(whole)
        except BundleError:
            refused += 1
            continue
        assert opened == expected
        assert spans_of(whole) == spans
    assert refused > 1.9 * (whole / MANIFEST).stat().st_size


@pytest.mark.parametrize("name", [TOKENIZER, bundles.MODEL])
def test_changed_bytes_are_not_looked_for_where_only_sizes_are_asked_for(folder: Path, name: str) -> None:
    """`size` notices a file cut short and no other; `off` notices neither."""
    path = folder / name
    content = path.read_bytes()
    # Blanks at the end change neither a JSON text nor, as a doc string, a graph.
    padded = content + (b"\n" if name == TOKENIZER else onnx_models.text(6, "x"))
    path.write_bytes(padded)
    for verify in ("full", "size"):
        with pytest.raises(BundleError, match="bytes, expected"):
            spans_of(folder, verify=verify)
    assert spans_of(folder, verify="off")
    bundles.record(folder)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    bundles.edit(folder, MANIFEST, tokenizer={**manifest["tokenizer"], "sha256": "0" * 64})
    with pytest.raises(BundleError, match="sha256"):
        spans_of(folder)
    assert spans_of(folder, verify="size")


def test_the_manifest_is_checked_however_little_is_verified(folder: Path) -> None:
    """Its own hash and structure cost nothing."""
    path = folder / MANIFEST
    path.write_bytes(path.read_bytes().replace(b"I-DRUG", b"I-FOOD"))
    with pytest.raises(BundleError, match="sha256 that it records"):
        spans_of(folder, verify="off")


def test_a_manifest_written_by_hand_needs_no_hash_of_its_own(folder: Path) -> None:
    """A manifest without a hash of its own, as older ones are, is read; the hashes of its files are still checked."""
    bundles.edit(folder, MANIFEST, name="by hand")
    assert Recognizer.load(folder, threads=1).report().model == "by hand"


def test_layout_and_order_of_a_manifest_do_not_count(folder: Path) -> None:
    """A tool that writes the same JSON in another way breaks nothing."""
    expected = open_bundle(folder)
    data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps(dict(reversed(data.items())), indent=7), encoding="utf-8")
    assert open_bundle(folder) == expected


def test_an_unknown_way_to_verify_is_refused(folder: Path) -> None:
    """Never taken for one that is known."""
    with pytest.raises(InputError, match="full, size, off"):
        Recognizer.load(folder, options=LoadOptions(verify="none"))


def test_the_tokenizer_that_was_hashed_is_the_one_that_is_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file replaced between the check and the loading changes nothing: it is read once."""
    expected = spans_of(folder)
    check = files.check_hash

    def replace_then_check(path: Path, sha256: str, record: FileRecord) -> None:
        if path.name == TOKENIZER:
            path.write_bytes(b"{}")
        check(path, sha256, record)

    monkeypatch.setattr(files, "check_hash", replace_then_check)
    assert spans_of(folder) == expected
    assert (folder / TOKENIZER).read_bytes() == b"{}", "it was replaced"


def test_a_model_replaced_after_loading_is_not_taken_up(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The session for lone notes loads later, from the same file or not at all."""
    recognizer = Recognizer.load(folder, threads=2)
    expected = recognizer.recognize(NOTE)
    (folder / bundles.MODEL).write_bytes(b"another model")
    with caplog.at_level(logging.WARNING, "clinspan"):
        for _ in range(4):
            assert recognizer.recognize(NOTE) == expected
            processes.wait_for_the_wide_session()
    assert "could not be loaded once more" in caplog.text


# Values of every JSON type, and what may mean something somewhere in a manifest.
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["IO", "O", "B-DRUG", "int8", "fp32", "../x", "tokenizer.json", bundles.MODEL, "0" * 64]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(data: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    if path:
        yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


@pytest.mark.long
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_manifest_with_anything_in_it_is_refused_or_read(whole: Path, data: st.DataObject) -> None:
    """Any value of any type in any place, or a field gone: a BundleError, or a bundle that works."""
    original = (whole / MANIFEST).read_bytes()
    content = json.loads(original)
    del content["sha256"]
    for _ in range(data.draw(st.integers(1, 2))):
        *way, last = data.draw(st.sampled_from(list(places(content))))
        target = content
        for step in way:
            target = target[step]
        if isinstance(target, dict) and data.draw(st.booleans()) and data.draw(st.booleans()):
            del target[last]
        else:
            target[last] = data.draw(VALUES)
    try:
        (whole / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
        refused, found = "", []
        try:
            found = spans_of(whole)
        except BundleError as error:
            refused = str(error)
        assert len(refused) < 1000
        assert "\n" not in refused
        assert all(NOTE[span.start : span.end] == span.text for span in found)
    finally:
        (whole / MANIFEST).write_bytes(original)


@pytest.mark.long
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8")))
def test_any_bytes_for_a_manifest_are_refused(tmp_path: Path, content: bytes) -> None:
    """Never anything but a BundleError."""
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(BundleError):
        open_bundle(tmp_path)


def test_the_command_line_verifies_as_it_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--verify`; a damaged bundle is a failure, exit code 1."""
    note = folder.parent / "note.txt"
    note.write_text(NOTE, encoding="utf-8")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    bundles.edit(folder, MANIFEST, tokenizer={**manifest["tokenizer"], "sha256": "0" * 64})
    assert main(["extract", str(note), "--model", str(folder)]) == 1
    assert "sha256" in capsys.readouterr().err
    assert main(["extract", str(note), "--model", str(folder), "--verify", "size"]) == 0
