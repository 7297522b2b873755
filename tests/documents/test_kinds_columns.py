"""Kinds C and D: tags and columns of CoNLL files as the field writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinspan.documents.annotated import read_annotated
from clinspan.documents.document import Document
from clinspan.documents.reading import ReadingRules
from clinspan.errors import InputError


def read(
    folder: Path, content: str, rules: ReadingRules | None = None, name: str = "gold.conll"
) -> list[Document]:
    path = folder / name
    path.write_text(content, "utf-8", newline="")
    return list(read_annotated(path, rules=rules))


def marked(document: Document) -> list[tuple[str, str]]:
    return [(e.label, document.text[e.start : e.end]) for e in document.entities]


@pytest.mark.parametrize(
    "tags",
    ["O B_DRUG I_DRUG O", "O DRUG-B DRUG-I O", "o b-DRUG i-DRUG o", "O B-DRUG E-DRUG O", "O B-DRUG M-DRUG O",
     "O I_DRUG I_DRUG O"],
)  # fmt: skip
def test_tags_are_read_as_models_write_them(tmp_path: Path, tags: str) -> None:
    """Either separator, either order, either case, and M of BMES."""
    words = zip(["Takes", "fish", "oil", "daily"], tags.split(), strict=True)
    (document,) = read(tmp_path, "".join(f"{word} {tag}\n" for word, tag in words))
    assert marked(document) == [("DRUG", "fish oil")]


def test_middles_and_singles_of_bmes_are_read(tmp_path: Path) -> None:
    """B M E is one entity; S and W are one each."""
    content = "old B-X\nwound M-X\npain E-X\nrash S-X\nitch W-X\n"
    (document,) = read(tmp_path, content)
    assert [words for _, words in marked(document)] == ["old wound pain", "rash", "itch"]


@pytest.mark.parametrize("tags", ["O B I O", "O B E O", "O B M O", "o b i o"])
def test_tags_without_a_name_need_one(tmp_path: Path, tags: str) -> None:
    """A bare B is refused with the option that names it, and read with it."""
    words = zip(["Takes", "fish", "oil", "daily"], tags.split(), strict=True)
    content = "".join(f"{word}\t{tag}\n" for word, tag in words)
    with pytest.raises(InputError, match=r"line 2: the tag . names no label: say which one .*--untyped NAME"):
        read(tmp_path, content)
    (document,) = read(tmp_path, content, ReadingRules(untyped="CHEMICAL"))
    assert marked(document) == [("CHEMICAL", "fish oil")]


@pytest.mark.parametrize(
    ("line", "token"),
    [
        ("7\u00a0ml\tB-DOSE", "7\u00a0ml"),
        ("7 ml\tB-DOSE", "7 ml"),
        ("7\u2009ml\tNN\tB-DOSE", "7\u2009ml"),
        ("7\u00a0ml B-DOSE", "7\u00a0ml"),
        ("7\u3000ml _ B-DOSE", "7\u3000ml"),
    ],
    ids=ascii,
)
def test_a_token_keeps_the_spaces_in_it(tmp_path: Path, line: str, token: str) -> None:
    """Tabs alone separate where there are any; elsewhere the plain space alone does."""
    (document,) = read(tmp_path, f"give\tO\n{line}\n")
    assert document.text == f"give {token}"
    assert marked(document) == [("DOSE", token)]


@pytest.mark.parametrize(
    "content",
    [
        "1\tGave\tVERB\tO\n2\theparin\tNOUN\tB-DRUG\n",
        "# sent_id = a\n1\tGave\t_\tO\n2\theparin\t_\tB-DRUG\n\n# text = Pain.\n1\tPain\t_\tO\n",
        "s1\tGave\tO\ns1\theparin\tB-DRUG\n\ns2\tPain\tO\n",
        "0 Gave O\n1 heparin B-DRUG\n",
        "12.1\tGave\tO\n12.2\theparin\tB-DRUG\n",
        "note7\tGave\tO\nnote7\theparin\tB-DRUG\n\nnote7\tPain\tO\n",
    ],
    ids=["conll-u", "comments", "sentence-names", "spaces", "two-numbers", "document-names"],
)
def test_numbers_and_names_of_sentences_are_not_tokens(tmp_path: Path, content: str) -> None:
    """A first column that cannot hold tokens is refused with the option, and read with it."""
    with pytest.raises(InputError, match=r"document 1: the first column holds .* not tokens.*--column 2"):
        read(tmp_path, content)
    (document,) = read(tmp_path, content, ReadingRules(column=2))
    assert document.text.startswith("Gave heparin")
    assert marked(document) == [("DRUG", "heparin")]


@pytest.mark.parametrize(
    "content",
    ["5 CD B-DOSE\n", "5\tCD\tO\nmg\tNN\tO\n", "no\tDT\tO\n\nno\tDT\tO\n", "1 O\n2 O\n"],
    ids=["one-number", "number-first", "same-word", "two-columns"],
)
def test_numbers_that_are_tokens_are_read(tmp_path: Path, content: str) -> None:
    """A dose begins a sentence, and a file of two columns has no other token."""
    (document,) = read(tmp_path, content)
    assert document.text.split() == [line.split()[0] for line in content.splitlines() if line]


def test_a_column_of_numbers_is_read_on_request(tmp_path: Path) -> None:
    """`--column 1` says that the numbers are the tokens."""
    (document,) = read(tmp_path, "1\tx\tO\n2\tx\tO\n", ReadingRules(column=1))
    assert document.text == "1 2"


def test_a_column_that_is_missing_is_refused_with_its_line(tmp_path: Path) -> None:
    """The tag's own column cannot be the token's."""
    with pytest.raises(
        InputError, match="line 2: 2 columns: expected a token in column 2, and after it a tag"
    ):
        read(tmp_path, "1\tGave\tO\nheparin\tO\n", ReadingRules(column=2))


def test_sentences_are_units_where_nothing_marks_documents(tmp_path: Path) -> None:
    """A file without -DOCSTART- is one text, of which an interval draws sentences."""
    (document,) = read(tmp_path, "Gave O\nheparin B-DRUG\n\nPain O\n\nRash O\nfaded O\n")
    assert document.text == "Gave heparin\nPain\nRash faded"
    assert [document.text[start:].split()[0] for start in document.units] == ["Gave", "Pain", "Rash"]
    assert [d.units for d in read(tmp_path, "-DOCSTART- O\n\nPain O\n\nRash O\n")] == [()]
