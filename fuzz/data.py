"""Bytes of a fuzzer -> texts, numbers, JSON values and Python values, so that mutations reach deep."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")

# Pieces of notes, and what breaks programs that read them.
FRAGMENTS = (
    "pain", "She has pneumonia", "aspirin 81 mg", " ", "  ", "\t", "\n", "\r\n", "\r", "\n\n", "\r\n\r\n", ".", ". ",
    ",", "-", "/", "[SEP]", "[CLS]", "[PAD]", "[UNK]", "[MASK]", "</s>", "<s>", "\u2581", "\u0120", "e\u0301",
    "\u0301", "\u0323\u0301", "\u20dd", "\u0903", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad",
    "\u202e", "\u2066", "\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u064a\u0636", "\u0928\u094d\u0926\u0940",
    "\ud800", "\udfff", "\ud83d\udc8a", "\x00", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\u3000",
    "\U0001f468\u200d\u2695\ufe0f", "\U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f9d1\U0001f3fd", "\U0001f1e9\U0001f1ea",
    "\u1100\u1161\u11a8", "\uac01", "\u4e2d\u6587", "\u3042", "\u0e01\u0e33", "\ufdfa", "\ufb01", "\u00bd", "\u00b5",
    "\u2103", "\u0130", "\u1e9e", "\u00e4", "a" * 101, "0" * 40, "\U000e0041", "\U0010ffff", "\ufffd",
)  # fmt: skip
NAMES = (
    "text", "notes", "id", "entities", "label", "labels", "start", "end", "threshold", "aggregation", "timeout",
    "annotations", "display_name", "displayName", "text_extraction", "textExtraction", "text_segment", "textSegment",
    "start_offset", "startOffset", "end_offset", "endOffset", "text_snippet", "textSnippet", "content", "document",
    "input_config", "gcs_source", "input_uris", "threads", "session_options", "schema_version", "task", "name", "scheme",
    "outside", "rename", "window", "overlap", "max_window", "tokenizer", "models", "int8", "path", "size", "sha256",
    "requestContext", "http", "method", "httpMethod", "body", "isBase64Encoded", "Records", "messageId", "eventSourceARN",
    "id2label", "model_type", "max_position_embeddings", "pad_token_id",
)  # fmt: skip
_SPECIAL_NUMBERS = (0, 1, -1, 2, 10, 255, 2**31, -(2**31), 2**63, 2**64, 10**40, 10**4000)
_WORDS = ("DRUG", "PROBLEM", "B-DRUG", "O", "BIO", "first", "max", "POST", "cpu", "0", "12", "a/../b", "")


class Data:
    """Bytes that are taken from the front; nought once they are used up."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._raw)

    def byte(self) -> int:
        """The next byte."""
        value = self._raw[self._at] if self else 0
        self._at += 1
        return value

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1; limits to 65536."""
        value = self.byte()
        return (value << 8 | self.byte()) % limit if limit > 256 else value % limit

    def choice(self, items: Sequence[Item]) -> Item:
        """One of them."""
        return items[self.below(len(items))]

    def take(self, count: int) -> bytes:
        """So many bytes, or as many as are left."""
        part = self._raw[self._at : self._at + count]
        self._at += count
        return part

    def rest(self) -> bytes:
        """All that are left."""
        return self.take(len(self._raw))

    def text(self, limit: int = 60) -> str:
        """Any string that Python can hold, of at most `limit` parts, and rarely more than 800 characters."""
        parts: list[str] = []
        length = 0
        while self and len(parts) < limit and length < 700:
            length += len(parts[-1]) if parts else 0
            kind = self.byte()
            if kind == 0:
                break
            if kind < 120:
                parts.append(FRAGMENTS[kind % len(FRAGMENTS)])
            elif kind < 170:
                parts.append(self.take(1 + kind % 8).decode("latin-1"))
            elif kind < 220:
                parts.append(chr(int.from_bytes(self.take(3)) % 0x110000))
            elif kind < 240:
                parts.append(self.choice(_WORDS))
            elif parts:
                parts.append(parts[-1][:100] * (1 + kind % 16))
        return "".join(parts)

    def number(self) -> int | float:
        """Small numbers, and those that break programs."""
        kind = self.byte()
        if kind < 150:
            return self.byte()
        if kind < 200:
            return self.choice(_SPECIAL_NUMBERS)
        return self.choice((0.5, -0.5, 1.5, 1e308, float("inf"), float("-inf"), float("nan"), 1e-320))

    def json(self, depth: int = 5, names: Sequence[str] = NAMES) -> Any:
        """A value that JSON can say."""
        kind = self.byte() % (12 if depth else 8)
        if kind < 3:
            return self.text(12)
        if kind < 5:
            return self.number()
        if kind < 8:
            return (None, True, self.choice(_WORDS))[kind - 5]
        if kind < 10:
            return [self.json(depth - 1, names) for _ in range(self.below(5))]
        keys = [self.choice(names) if self.byte() < 250 else self.text(4) for _ in range(self.below(7))]
        return {key: self.json(depth - 1, names) for key in keys}

    def object(self) -> Any:
        """Any Python value that a caller may pass by mistake."""
        kind = self.byte() % 10
        if kind < 5:
            return self.json(3)
        return (b"bytes", (1, 2), {1: 0.5, "a": 0.5}, {"x"}, 1j)[kind - 5]


def dump(value: Any, *, ascii: bool = True) -> bytes:
    """JSON of a value; without `ascii`, lone surrogates become bytes that are not UTF-8."""
    try:
        return json.dumps(value, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    except ValueError:  # a number with more digits than Python writes
        return b'{"start": ' + b"9" * 5000 + b"}"
