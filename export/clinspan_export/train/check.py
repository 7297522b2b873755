"""Check whether annotated documents can be trained on, and whether they keep AutoML's documented limits.

What cannot be read is an error, with its line. What can be read and still goes wrong is a warning: an annotation that no
answer can match, a document in both parts, a limit of AutoML entity extraction that is not kept. Training works all the
same.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from clinspan.documents.annotated import read_annotated
from clinspan.documents.document import Document
from clinspan.documents.reading import ReadingRules, what_was_left_out
from clinspan.documents.suspects import many, suspects
from clinspan.errors import InputError

DOCUMENTS = (50, 100_000)
LABELS = (1, 100)
LABEL_LENGTH = (2, 30)
WORDS = 10
USES = 200
BYTES = (10, 10_000)

# Annotations of one kind that are named; the others are counted.
_NAMED = 20


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of a check; `errors` stand in the way of training, `warnings` do not."""

    documents: int
    entities: int
    labels: tuple[str, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def check(
    path: str | Path,
    *,
    development: str | Path | None = None,
    format: str | None = None,
    rules: ReadingRules | None = None,
) -> Findings:
    """Check annotated documents.

    Args:
        path: as in `read_annotated`.
        development: documents to select the best epoch on, checked too and compared with those of `path`.
        format: as in `read_annotated`.
        rules: as in `read_annotated`; unannotated documents are always left out, and all errors collected.

    Raises:
        InputError: there is nothing at a path, or its format cannot be told.
    """
    chosen = ReadingRules() if rules is None else rules
    train = _look(Path(path), format, chosen)
    parts = [train] if development is None else [train, _look(Path(development), format, chosen)]
    errors, warnings = list[str](), list[str]()
    for part in parts:
        errors += part.errors
        warnings += part.warnings()
    if development is not None:
        warnings += _against(train.texts, parts[1].texts, str(development))
        strange = sorted(set(parts[1].uses) - set(train.uses))
        if strange and train.uses:
            errors.append(f"{development}: labels that training has not: {', '.join(strange)}")
    warnings += _of_whole(train.documents, train.uses)
    return Findings(
        train.documents, train.uses.total(), tuple(sorted(train.uses)), tuple(errors), tuple(warnings)
    )


def warnings_before_training(
    train: Iterable[Document], development: Iterable[Document], *, name: str
) -> list[str]:
    """List what would be found out only after the training: annotations that cannot be learned, documents in both parts.

    Args:
        train: the documents to train on.
        development: those to select the best epoch on.
        name: of the latter, for the warning.
    """
    parts = []
    for kind, documents in (("training", train), ("development", development)):
        part = _Part(kind)
        for document in documents:
            part.add(document)
        parts.append(part)
    found = [warning for part in parts for warning in part.counted()]
    return found + _against(parts[0].texts, parts[1].texts, name)


@dataclass(slots=True)
class _Part:
    """The documents of one path while they are looked at."""

    name: str
    documents: int = 0
    uses: Counter[str] = field(default_factory=Counter)
    texts: Counter[bytes] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    limits: list[str] = field(default_factory=list)
    suspected: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, document: Document) -> None:
        """Look at a document."""
        self.documents += 1
        self.uses.update(entity.label for entity in document.entities)
        self.texts[_fingerprint(document)] += 1
        where = f"{self.name}, document {document.id}"
        self.limits.extend(_of_document(document, where))
        for entity, reason in suspects(document):
            self.suspected[reason].append(
                f"{where}: annotation {entity.start} to {entity.end} ({entity.label}) has {reason}"
            )

    def warnings(self) -> list[str]:
        """Everything, the first annotations of each kind by their place."""
        found = [f"{self.name}: {what_was_left_out(self.left_out)}"] if self.left_out.total() else []
        for reason, places in self.suspected.items():
            found += places[:_NAMED]
            if len(places) > _NAMED:
                found.append(f"{self.name}: {len(places) - _NAMED:,} more annotations have {reason}")
        repeated = sum(self.texts.values()) - len(self.texts)
        if repeated:
            found.append(f"{self.name}: {repeated:,} documents repeat the text of another")
        return found + _alike(self.uses) + self.limits

    def counted(self) -> list[str]:
        """Kinds of annotations with their counts."""
        found = [
            f"in the {self.name} documents, {many(len(places), reason)}"
            for reason, places in self.suspected.items()
        ]
        return found + _alike(self.uses)


def _look(path: Path, format: str | None, rules: ReadingRules) -> _Part:
    part, faults = _Part(str(path)), list[InputError]()
    collecting = replace(rules, unannotated="leave-out", left_out=part.left_out, faults=faults)
    documents = read_annotated(path, format=format, rules=collecting)
    try:
        for document in documents:
            part.add(document)
    except InputError as error:  # the file itself cannot be read on
        faults.append(error)
    part.errors += map(str, faults)
    if not part.documents and not faults:
        part.errors.append(f"{path}: no document")
    if part.documents and not part.uses and not faults:
        part.errors.append(f"{path}: no annotation in any document, nothing to learn")
    return part


def _fingerprint(document: Document) -> bytes:
    """Of the text, whitespace and case aside."""
    plain = " ".join(document.text.split()).casefold()
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()


def _against(train: Counter[bytes], development: Counter[bytes], name: str) -> list[str]:
    both = sum(count for text, count in development.items() if text in train)
    if not both:
        return []
    return [
        f"{both:,} of {development.total():,} documents of {name} are among the training documents too (same text, "
        "whitespace and case aside): their score will be too good"
    ]


def _alike(uses: Iterable[str]) -> list[str]:
    """Labels that differ in case or whitespace alone."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for label in uses:
        groups["".join(label.split()).casefold()].append(label)
    return [
        f"labels {', '.join(map(repr, sorted(group)))} differ in case or whitespace alone: are they one label?"
        for group in groups.values()
        if len(group) > 1
    ]


def _of_document(document: Document, where: str) -> Iterator[str]:
    size = len(document.text.encode("utf-8", "surrogatepass"))
    if not BYTES[0] <= size <= BYTES[1]:
        yield f"{where}: {size:,} bytes of text, AutoML took {BYTES[0]:,} to {BYTES[1]:,}"
    for entity in document.entities:
        words = len(document.text[entity.start : entity.end].split())
        if words > WORDS:
            yield f"{where}: annotation {entity.start} to {entity.end} has {words} words, AutoML took at most {WORDS}"


def _of_whole(documents: int, uses: Counter[str]) -> Iterator[str]:
    if not DOCUMENTS[0] <= documents <= DOCUMENTS[1]:
        yield f"{documents:,} documents, AutoML took {DOCUMENTS[0]:,} to {DOCUMENTS[1]:,}"
    if len(uses) > LABELS[1]:
        yield f"{len(uses)} labels, AutoML took {LABELS[0]} to {LABELS[1]}"
    for label, count in sorted(uses.items()):
        if not LABEL_LENGTH[0] <= len(label) <= LABEL_LENGTH[1]:
            yield f"label {label}: {len(label)} characters, AutoML took {LABEL_LENGTH[0]} to {LABEL_LENGTH[1]}"
        if count < USES:
            yield f"label {label}: used {count:,} times, AutoML advised {USES} or more"
