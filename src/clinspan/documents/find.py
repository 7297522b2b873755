"""Ask a model for the entities of annotated documents, to score them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clinspan.documents.document import Document, Entity
from clinspan.recognizer import Recognizer


def find(
    recognizer: Recognizer, documents: Sequence[Document], *, rename: Mapping[str, str] | None = None
) -> list[list[Entity]]:
    """List what a model finds in each document.

    Args:
        recognizer: the model.
        documents: only their text is read.
        rename: names that the annotations give to labels of the model; other labels keep theirs.
    """
    names = rename or {}
    return [
        [Entity(span.start, span.end, names.get(span.label, span.label)) for span in spans]
        for spans in recognizer.pipe(document.text for document in documents)
    ]
