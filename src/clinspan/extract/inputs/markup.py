"""The text of C-CDA documents, of HTML pages and of RTF (the extra `rtf`); other XML is refused.

Block elements become lines, cells of a table are separated by tabs, and whitespace collapses as a browser shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from xml.etree import ElementTree

from clinspan.errors import InputError, MissingDependencyError, installing

BLOCKS = {
    "address", "article", "aside", "blockquote", "br", "caption", "dd", "div", "dl", "dt", "figure",
    "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "item", "li", "list",
    "main", "nav", "ol", "p", "paragraph", "pre", "section", "table", "tbody", "tfoot", "thead",
    "title", "tr", "ul",
}  # fmt: skip
_CELLS = {"td", "th"}
# Levels of elements that are read; a document of a few dozen is a deep one.
_DEEPEST = 200
# What a browser does not show. The rest of a head holds no text, and its end tag may be missing.
_HIDDEN = {"script", "style", "template", "noscript"}


def html_text(markup: str, where: str) -> str:
    """Read the text of an HTML page.

    Raises:
        InputError: it holds no text.
    """
    parser = _Text()
    parser.feed(markup)
    parser.close()
    return _some(_tidy(parser.parts), where)


def _some(text: str, where: str) -> str:
    if not text:
        raise InputError(f"{where}: no text in it")
    return text


class _Text(HTMLParser):
    """Collects text: a line end at the edges of blocks, a tab behind a cell."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.hidden = self.kept = 0
        self.in_title = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.in_title = tag == "title"  # of the page; nothing but text may stand in it
        self.hidden += tag in _HIDDEN
        self.kept += tag == "pre"
        if tag in BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.in_title = False
        self.hidden -= tag in _HIDDEN and self.hidden > 0
        self.kept -= tag == "pre" and self.kept > 0
        if tag in BLOCKS or tag in _CELLS:
            self.parts.append("\n" if tag in BLOCKS else "\t")

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Pass over `<![...`, which browsers take for a comment and HTMLParser for an error that quotes it."""
        return self.parse_bogus_comment(i)

    def handle_data(self, data: str) -> None:
        if not self.hidden and not self.in_title:
            self.parts.append(data if self.kept else re.sub(r"\s+", " ", data))


def cda_text(markup: str, where: str) -> str:
    """Read the text of a C-CDA document: titles and narrative of its sections; coded entries are not text.

    Raises:
        InputError: it is not well-formed XML, not a C-CDA document, nested too deep, holds no text, or its body is a document in
            another format.
    """
    if re.search(r"<!(DOCTYPE|ENTITY)", markup):
        raise InputError(
            f"{where}: XML with a document type, which may define entities without end: not read"
        )
    place = ""
    try:
        # A declaration of an encoding is of the file, which was decoded already.
        root = ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", markup, count=1))
    except ElementTree.ParseError as error:
        place = "line {}, column {}".format(*error.position)
    if place:  # raised out here: the library's own error holds the text
        raise InputError(f"{where}: not well-formed XML at {place}")
    if _name(root) != "ClinicalDocument":
        raise InputError(
            f"{where}: XML that is not a C-CDA document: take the text out first, or read it as it is with --input text"
        )
    if any(_name(element) == "nonXMLBody" for element in root.iter()):
        raise InputError(f"{where}: the body of this C-CDA document is in another format: take it out first")
    if _depth(root) > _DEEPEST:
        raise InputError(f"{where}: elements nested deeper than any document needs: not read")
    return _some(_tidy(list(_narrative(root))), where)


def _depth(root: ElementTree.Element) -> int:
    """Count the levels of elements."""
    levels, level = 0, [root]
    while level:
        levels, level = levels + 1, [child for element in level for child in element]
    return levels


def _narrative(element: ElementTree.Element) -> Iterator[str]:
    """Walk titles and texts of the document and its sections, in order."""
    for child in element:
        name = _name(child)
        if name in ("title", "text"):
            yield "\n"
            yield from _inner(child)
            yield "\n"
        elif name in ("component", "structuredBody", "section"):
            yield from _narrative(child)


def _inner(element: ElementTree.Element) -> Iterator[str]:
    yield re.sub(r"\s+", " ", element.text or "")
    for child in element:
        name = _name(child)
        if name in BLOCKS:
            yield "\n"
        yield from _inner(child)
        if name in BLOCKS or name in _CELLS:
            yield "\n" if name in BLOCKS else "\t"
        yield re.sub(r"\s+", " ", child.tail or "")


def _name(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _tidy(parts: list[str]) -> str:
    """Join parts without whitespace at the ends of lines and without empty lines."""
    text = re.sub(r" {2,}", " ", "".join(parts))
    return "\n".join(line for part in text.split("\n") if (line := part.strip()))


def rtf_text(markup: str, where: str) -> str:
    """Read the text of an RTF document.

    Raises:
        MissingDependencyError: striprtf is not installed.
        InputError: it cannot be read, or holds no text.
    """
    try:
        from striprtf.striprtf import rtf_to_text
    except ImportError as error:
        raise MissingDependencyError(f"{where}: reading RTF needs striprtf: {installing('rtf')}") from error
    problem = ""
    try:
        return _some(str(rtf_to_text(markup)).strip(), where)
    except (ValueError, LookupError) as error:
        problem = type(error).__name__
    # Raised out here: the library's own error may quote the text.
    raise InputError(f"{where}: not RTF that can be read ({problem})")
