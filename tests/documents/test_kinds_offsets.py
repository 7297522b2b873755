"""Kinds I and N: offsets must quote their text; BRAT as BRAT writes it; overlaps and fragments by a stated rule."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clinspan.documents.annotated import read_annotated
from clinspan.documents.document import Document, Entity
from clinspan.documents.reading import ReadingRules
from clinspan.errors import InputError

FACE = "\U0001f600"


def one_row(folder: Path, note: str, **entity: object) -> list[Document]:
    path = folder / "gold.jsonl"
    path.write_text(json.dumps({"text": note, "entities": [{"label": "DRUG", **entity}]}) + "\n", "utf-8")
    return list(read_annotated(path))


def brat(folder: Path, text: str, *lines: str, rules: ReadingRules | None = None) -> list[Document]:
    (folder / "n.txt").write_bytes(text.encode())
    (folder / "n.ann").write_text("".join(f"{line}\n" for line in lines), "utf-8", newline="")
    return list(read_annotated(folder, rules=rules))


@pytest.mark.parametrize(
    ("text", "start", "end", "fits"),
    [
        (f"{FACE}{FACE} gave heparin", 10, 17, "UTF-16 units"),
        ("Fièvre: heparin", 9, 16, "bytes of UTF-8"),
        ("Pain.\r\nRash.\r\nheparin", 12, 19, "CRLF is one character"),
        ("Pain.\nRash.\nheparin", 14, 21, "each line end is two characters"),
        ("\ufeffGave heparin", 5, 12, "byte order mark"),
        ("Gave heparin now", 5, 11, "last character is counted in"),
        ("Gave heparin now", 6, 13, "first character is 1"),
        (f"\ufeff{FACE * 3}\r\ngave heparin", 12, 19, "UTF-16 units .* CRLF is one"),
    ],
    ids=["utf16", "utf8", "crlf", "lf", "mark", "inclusive", "from-one", "all"],
)
@pytest.mark.parametrize("form", ["text", "mention", "brat"])
def test_offsets_that_quote_other_words_are_refused(
    tmp_path: Path, text: str, start: int, end: int, fits: str, form: str
) -> None:
    """The message says in which way of counting they would fit, and nothing of the text."""
    line = f"T1\tDRUG {start} {end}\theparin"
    fields = {"start": start, "end": end, form: "heparin"}
    message = rf"does not quote its text at {start} to {end}; it does where .*{fits}"
    with pytest.raises(InputError, match=message) as error:
        brat(tmp_path, text, line) if form == "brat" else one_row(tmp_path, text, **fields)
    assert "heparin" not in str(error.value)


def test_words_that_are_nowhere_are_refused_without_a_guess(tmp_path: Path) -> None:
    """No way of counting fits."""
    with pytest.raises(InputError, match=r"does not quote its text at 5 to 12$"):
        one_row(tmp_path, "Gave heparin", start=5, end=12, text="warfarin")


def test_offsets_that_quote_their_text_are_read(tmp_path: Path) -> None:
    """Whitespace may differ, as in annotations over a line end."""
    (document,) = one_row(tmp_path, "low dose\nheparin", start=4, end=16, text="dose heparin")
    assert document.entities == (Entity(4, 16, "DRUG"),)


@pytest.mark.parametrize(
    ("text", "offsets", "quote"),
    [
        ("Chronic renal\nfailure.", "0 13;14 21", "Chronic renal failure"),
        ("Chronic renal\r\n   failure.", "0 13;18 25", "Chronic renal failure"),
        ("Chronic\nrenal\nfailure.", "14 21;0 7;8 13", "Chronic renal failure"),
    ],
    ids=["wrapped", "indented", "three"],
)
def test_fragments_with_whitespace_between_are_one_stretch(
    tmp_path: Path, text: str, offsets: str, quote: str
) -> None:
    """BRAT writes an annotation over a line end so."""
    (document,) = brat(tmp_path, text, f"T1\tPROBLEM {offsets}\t{quote}")
    assert document.entities == (Entity(0, text.index("."), "PROBLEM"),)


def test_fragments_with_text_between_go_by_the_rule(tmp_path: Path) -> None:
    """Refused with the way to go on; covered; or left out and counted."""
    text, line = "Pain in left and right knee.", "T1\tPROBLEM 0 12;23 27\tPain in left knee"
    with pytest.raises(InputError, match=r"n.ann, line 1: a discontinuous annotation.*--discontinuous cover"):
        brat(tmp_path, text, line)
    (document,) = brat(tmp_path, text, line, rules=ReadingRules(discontinuous="cover"))
    assert document.entities == (Entity(0, 27, "PROBLEM"),)
    rules = ReadingRules(discontinuous="leave-out")
    (document,) = brat(tmp_path, text, line, "T2\tPROBLEM 0 4\tPain", rules=rules)
    assert document.entities == (Entity(0, 4, "PROBLEM"),)
    assert rules.left_out == {"discontinuous": 1, "overlapping": 0} or rules.left_out == {"discontinuous": 1}


NESTED = (
    "T1\tSITE 5 9\tknee",
    "T2\tPROBLEM 5 14\tknee pain",
    "T3\tDRUG 19 26\theparin",
    "T4\tPROBLEM 10 14\tpain",
)
NESTED_TEXT = "Left knee pain and heparin"


def test_overlaps_are_refused_with_both_lines(tmp_path: Path) -> None:
    """The message names the line of each and the option that resolves them."""
    with pytest.raises(
        InputError, match=r"n.ann, line 2: annotation 5 to 14 .PROBLEM. overlaps 5 to 9 .SITE. in line 1"
    ) as error:
        brat(tmp_path, NESTED_TEXT, *NESTED)
    assert "--overlaps longest" in str(error.value)


@pytest.mark.parametrize(
    ("rule", "kept", "lost"),
    [
        ("longest", [(5, 14, "PROBLEM"), (19, 26, "DRUG")], 2),
        ("first", [(5, 9, "SITE"), (10, 14, "PROBLEM"), (19, 26, "DRUG")], 1),
    ],
)
def test_overlaps_are_resolved_by_the_rule(
    tmp_path: Path, rule: str, kept: list[tuple[int, int, str]], lost: int
) -> None:
    """The longest wins, or the one that stands first in the file; the others are counted."""
    rules = ReadingRules(overlaps=rule)
    (document,) = brat(tmp_path, NESTED_TEXT, *NESTED, rules=rules)
    assert [(e.start, e.end, e.label) for e in document.entities] == kept
    assert rules.left_out["overlapping"] == lost


def test_two_labels_on_the_same_words_are_resolved_for_every_format(tmp_path: Path) -> None:
    """Of equals the first stays, in JSON lines as in BRAT."""
    path = tmp_path / "gold.jsonl"
    spans = [{"start": 0, "end": 4, "label": label} for label in ("EVENT", "PROBLEM")]
    path.write_text(json.dumps({"text": "Rash.", "spans": spans}) + "\n", "utf-8")
    with pytest.raises(InputError, match=r"line 1: annotation 0 to 4 .PROBLEM. overlaps"):
        list(read_annotated(path))
    (document,) = read_annotated(path, rules=ReadingRules(overlaps="longest"))
    assert document.entities == (Entity(0, 4, "EVENT"),)


def test_every_fault_is_collected_with_its_place(tmp_path: Path) -> None:
    """Reading goes on after a bad line and after a bad file."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("Gave heparin", "utf-8")
        (tmp_path / f"{name}.ann").write_text(
            "T1\tDRUG 3 12\theparin\nT2 x\nT3\tDRUG 5 12\theparin\n", "utf-8"
        )
    (tmp_path / "c.txt").write_bytes(b"\xff")
    (tmp_path / "c.ann").write_text("", "utf-8")
    (tmp_path / "d.ann").write_text("", "utf-8")
    rules = ReadingRules(faults=[])
    documents = list(read_annotated(tmp_path, rules=rules))
    assert [len(d.entities) for d in documents] == [1, 1]
    places = [str(fault).partition(":")[0].removeprefix(f"{tmp_path}/") for fault in rules.faults or ()]
    assert places == ["d.ann", "a.ann, line 1", "a.ann, line 2", "b.ann, line 1", "b.ann, line 2", "c.txt"]
