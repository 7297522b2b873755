"""JSON rows of tokens and tags, as data sets on the Hub have them: `{"tokens": ["Takes", "aspirin"], "ner_tags": ["O", "B-DRUG"]}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clinspan.documents.document import Document
from clinspan.documents.formats.tags import TAGS, TaggedText, is_untyped, place
from clinspan.documents.reading import ReadingRules
from clinspan.errors import InputError
from clinspan.strict_json import kind

TOKENS = ("tokens", "words")
TAG_FIELDS = ("ner_tags", "tags", "ner", "labels")


def parse(row: Mapping[str, Any], where: str, name: str, rules: ReadingRules) -> Document | None:
    """Check one document's JSON object; None where it holds no tags and is left out.

    Raises:
        InputError: tokens and tags do not pair, or a tag is unknown.
    """
    tokens = next(row[field] for field in TOKENS if field in row)
    tags = next((row[field] for field in TAG_FIELDS if row.get(field) is not None), None)
    if not isinstance(tokens, list) or not all(isinstance(token, str) and token.strip() for token in tokens):
        raise InputError(f"{where}: tokens is not a list of words")
    if tags is None:
        rules.leave_out_document(where, f"it has none of the fields {', '.join(TAG_FIELDS)}")
        return None
    if not isinstance(tags, list) or len(tags) != len(tokens):
        raise InputError(f"{where}: the tags are not a list as long as the tokens, {len(tokens)}")
    text = TaggedText()
    for token, tag in zip(tokens, tags, strict=True):
        text.add(token, *_place(tag, where, rules))
    found = row.get("id")
    return text.document(str(found) if isinstance(found, str | int) else name)


def _place(tag: object, where: str, rules: ReadingRules) -> tuple[str, str]:
    if isinstance(tag, int):
        raise InputError(
            f"{where}: the tags are numbers, and the file does not name them: write their names, such as B-DRUG"
        )
    if not isinstance(tag, str):
        raise InputError(f"{where}: a tag is {kind(tag)}, expected {TAGS}")
    found = place(tag, rules.untyped)
    if found is None:
        named = (
            "says no label: say which one it stands for (--untyped NAME)" if is_untyped(tag) else "is unknown"
        )
        raise InputError(f"{where}: a tag {named}: expected {TAGS}")
    return found
