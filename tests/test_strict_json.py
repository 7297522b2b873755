"""JSON has one parser, which refuses what two readers could read in two ways."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import clinspan
from clinspan import ClinspanError, InputError, strict_json
from clinspan.engine.profile import read_profile
from clinspan.extract.notes import read_notes
from clinspan.extract.results import read_result_lines
from clinspan.serving.limits import RequestLimits
from clinspan.serving.request import parse_json as parse_body
from clinspan.strict_json import Fields, parse_json, parse_object

SECRET = "Quillfeather"
# What is wrong -> the JSON, what the message says, and what it says where it may quote.
WRONG = {
    "key twice": (f'{{"a": 1, "{SECRET}": 1, "{SECRET}": 2}}', "a key is given twice", f"key '{SECRET}' is"),
    "key twice inside": ('[{"b": {"a": 1, "a": 1}}]', "a key is given twice", "the key 'a' is given twice"),
    "NaN": ('{"a": NaN}', "NaN is not a JSON number", "NaN is not"),
    "infinity": ('{"a": -Infinity}', "-Infinity is not a JSON number", "-Infinity is not"),
    "large float": ('{"a": 1e999}', "a number is too large", "the number '1e999' is too large"),
    "large integer": ("1" + "0" * 5000, "a number has too many digits", "a number has too many digits"),
    "deep": ("[" * 200_000, "nested too deeply", "nested too deeply"),
    "cut off": (f'{{"{SECRET}', "at column 2", "at column 2"),
    "cut off below": (f'{{\n\n"{SECRET}', "at line 3, column 1", "at line 3, column 1"),
    "empty": ("", "at column 1", "at column 1"),
}


@pytest.mark.parametrize(("text", "plain", "quoting"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("encode", [str, str.encode])
def test_what_can_be_read_in_two_ways_is_refused(
    encode: Callable[[str], str | bytes], text: str, plain: str, quoting: str
) -> None:
    """The message says where and what; it quotes a key or a number only where it is told that it may."""
    with pytest.raises(InputError) as caught:
        parse_json(encode(text), "FILE, line 3")
    assert str(caught.value) == f"FILE, line 3: not valid JSON: {plain}"
    with pytest.raises(InputError, match=f"^FILE: not valid JSON: .*{quoting}"):
        parse_json(encode(text), "FILE", quotes=True)


def test_bytes_must_be_utf8() -> None:
    """They are never replaced."""
    with pytest.raises(InputError, match=r"^FILE: not valid JSON: not UTF-8 text$"):
        parse_json(b'"\xff"', "FILE")


def test_an_object_is_expected_where_one_is_asked_for() -> None:
    """Other values are named by their kind, as JSON calls it."""
    kinds = {
        "[1]": "a list",
        '"x"': "a string",
        "1.5": "a number",
        "true": "true or false",
        "null": "missing",
    }
    for text, kind in kinds.items():
        with pytest.raises(InputError, match=f"^FILE: {kind}, expected a JSON object$"):
            parse_object(text, "FILE")
    assert parse_object('{"a": [1, {"b": null}]}', "FILE") == {"a": [1, {"b": None}]}


def _notes(path: Path) -> object:
    return list(read_notes([str(path.rename(path.with_suffix(".jsonl")))]))


READERS: dict[str, Callable[[Path], object]] = {
    "bundle": lambda path: Fields.parse(path.read_bytes(), path),
    "notes": _notes,
    "earlier results": lambda path: list(read_result_lines(path)),
    "request": lambda path: parse_body(path.read_bytes(), RequestLimits()),
    "profile": read_profile,
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_refuses_a_doubled_key(reader: str, tmp_path: Path) -> None:
    """None of them keeps the last of two values."""
    good = {"id": "1", "spans": []} if reader == "earlier results" else {"threads": 1}
    path = tmp_path / "file"
    for doubled in (False, True):
        text = json.dumps(good | {"text": "Fever."} if reader in ("notes", "request") else good)
        path.write_text((text[:-1] + ", " + text[1:] if doubled else text) + "\n")
        if doubled:
            with pytest.raises(ClinspanError):
                READERS[reader](path)
        else:
            READERS[reader](path)


def test_no_other_module_parses_json() -> None:
    """A second parser would be a second strictness."""
    # The manifest brings its own content into JSON's types; the other runs alone in a function's package.
    allowed = {"strict_json.py", "bundle/manifest.py", "package/parts/call_function.py"}
    source, found = Path(clinspan.__file__).parent, set()
    for file in source.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("json.load", "json.loads"):
                found.add(file.relative_to(source).as_posix())
    assert found == allowed


@pytest.mark.parametrize("part", ["{},", "[],", '"",', "1,", '{"":0},', "\n{},"], ids=repr)
def test_memory_of_many_small_values_is_refused_before_they_are_made(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strict_json, "MAX_PARTS", 1000)
    with pytest.raises(InputError, match="x: not valid JSON: more than 1,000 values in one JSON text"):
        parse_json(f'{{"text": "{SECRET}", "x": [{part * 1000}0]}}', "x")


@pytest.mark.parametrize(
    "text", ["a,b," * 5000, '"[{,\\' * 5000, "\u4e00," * 5000], ids=["commas", "marks", "wide"]
)
def test_memory_is_not_said_to_be_short_for_what_stands_in_a_note(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strict_json, "MAX_PARTS", 1000)
    assert parse_json(json.dumps({"text": text}), "x") == {"text": text}
