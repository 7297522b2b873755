"""Ask a model for the entities of annotated documents, to score them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from clinspan.documents.document import Document, Entity
from clinspan.recognizer import Recognizer
from clinspan.text.decode import Span


def find(
    recognizer: Recognizer, documents: Sequence[Document], *, rename: Mapping[str, str] | None = None
) -> list[list[Entity]]:
    """List what a model finds in each document.

    Args:
        recognizer: the model.
        documents: only their text is read.
        rename: names that the annotations give to labels of the model; other labels keep theirs.
    """
    found = recognizer.pipe(document.text for document in documents)
    return [entities(spans, rename=rename) for spans in found]


def entities(spans: Iterable[Span], *, rename: Mapping[str, str] | None = None) -> list[Entity]:
    """Turn spans into entities, which have no score; `rename` as in `find`."""
    names = {} if rename is None else rename
    return [Entity(span.start, span.end, names.get(span.label, span.label)) for span in spans]
