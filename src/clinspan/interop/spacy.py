"""spaCy: a pipeline component, a Doc, and displaCy's dictionaries.

    nlp = spacy.blank("en")
    nlp.add_pipe("clinspan", config={"model": None})

spaCy finds the factory by its entry point; nothing else needs importing. Model offsets are characters and spaCy's spans
are tokens, so a span that begins or ends inside a token grows to the whole token (`alignment="expand"`; `"contract"`
shrinks it, `"strict"` leaves it out). Where two spans then claim one token, the one with the higher score stays. Every
span as the model found it, to the character, is in `doc._.clinspan`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from clinspan.clinical.assertion import assertions
from clinspan.clinical.medication import regimens
from clinspan.clinical.records import Assertion, Regimen
from clinspan.errors import InputError, MissingDependencyError
from clinspan.recognizer import Recognizer
from clinspan.text.decode import Span

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc
    from spacy.tokens import Span as DocSpan

ALIGNMENTS = ("expand", "contract", "strict")
FLAGS = ("negated", "uncertain", "hypothetical", "historical", "family", "planned", "allergy")


class Component:
    """The pipeline component `clinspan`; spaCy makes it from the config that is given to `add_pipe`.

    It sets `doc.ents` (entities of earlier components stay unless they overlap), or a span group. Extension attributes
    of each span: `clinspan_score`; with `clinical`, also `clinspan_assertion`, a dictionary of what the note says of it,
    and `clinspan_regimens`, for a drug a list of dictionaries with the texts of its strength, route and so on. They are
    plain values, so that `to_bytes` and `n_process` keep them.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        *,
        spans_key: str | None,
        alignment: str,
        threshold: float,
        clinical: bool,
    ) -> None:
        if alignment not in ALIGNMENTS:
            raise InputError(f"unknown alignment {alignment!r}: expected one of {', '.join(ALIGNMENTS)}")
        self.recognizer = recognizer
        self.spans_key = spans_key
        self.alignment = alignment
        self.threshold = threshold
        self.clinical = clinical

    def __call__(self, doc: Doc) -> Doc:
        """Read one document."""
        return self._set(doc, self.recognizer.recognize(doc.text, threshold=self.threshold))

    def pipe(self, stream: Iterable[Doc], batch_size: int = 128) -> Iterator[Doc]:
        """Read many documents, a batch at a time on all workers of the model."""
        docs = iter(stream)
        while batch := list(islice(docs, batch_size)):
            found = self.recognizer.pipe((doc.text for doc in batch), threshold=self.threshold)
            for doc, spans in zip(batch, found, strict=True):
                yield self._set(doc, spans)

    def _set(self, doc: Doc, spans: list[Span]) -> Doc:
        doc._.clinspan = [span.to_dict() for span in spans]
        said = assertions(doc.text, spans) if self.clinical else None
        drugs = regimens(doc.text, spans) if self.clinical else None
        kept = _aligned(doc, spans, self.alignment)
        for number, span in kept:
            span._.clinspan_score = spans[number].score
            if said is not None and drugs is not None:
                span._.clinspan_assertion = _flags(said[number])
                span._.clinspan_regimens = _doses(spans[number], drugs)
        if self.spans_key is not None:
            doc.spans[self.spans_key] = [span for _, span in kept]
            return doc
        own = {token.i for _, span in kept for token in span}
        others = [entity for entity in doc.ents if own.isdisjoint(token.i for token in entity)]
        doc.ents = [*others, *(span for _, span in kept)]
        return doc


def to_doc(note: str, spans: Sequence[Span], nlp: Language, *, alignment: str = "expand") -> Doc:
    """Make a spaCy Doc of a note that was read, with its spans as `doc.ents`.

    Args:
        note: the text that was read.
        spans: its spans.
        nlp: any spaCy pipeline; only its tokenizer is used.
        alignment: as in the component.

    Raises:
        MissingDependencyError: spaCy is not installed.
    """
    _add_extensions()
    doc = nlp.make_doc(note)
    doc._.clinspan = [span.to_dict() for span in spans]
    kept = _aligned(doc, spans, alignment)
    for number, span in kept:
        span._.clinspan_score = spans[number].score
    doc.ents = [span for _, span in kept]
    return doc


def displacy(note: str, spans: Iterable[Span], *, title: str | None = None) -> dict[str, Any]:
    """Write spans as `displacy.render(..., style="ent", manual=True)` takes them.

    >>> displacy("Takes aspirin.", [Span("DRUG", 6, 13, "aspirin", 0.5)])
    {'text': 'Takes aspirin.', 'ents': [{'start': 6, 'end': 13, 'label': 'DRUG'}], 'title': None}
    """
    ents = [{"start": span.start, "end": span.end, "label": span.label} for span in spans]
    return {"text": note, "ents": ents, "title": title}


def _aligned(doc: Doc, spans: Sequence[Span], alignment: str) -> list[tuple[int, DocSpan]]:
    """Align spans to tokens; of those that then claim one token, keep the one with the higher score."""
    taken: set[int] = set()
    kept = []
    for number in sorted(range(len(spans)), key=lambda number: (-spans[number].score, number)):
        span = spans[number]
        found = doc.char_span(span.start, span.end, label=span.label, alignment_mode=alignment)
        if found is None or not len(found) or not taken.isdisjoint(token.i for token in found):
            continue
        taken.update(token.i for token in found)
        kept.append((number, found))
    return sorted(kept, key=lambda pair: pair[0])


def _flags(said: Assertion) -> dict[str, Any]:
    flags: dict[str, Any] = {name: getattr(said, name) for name in FLAGS}
    return {**flags, "experiencer": said.experiencer, "action": said.action, "section": said.section.kind}


def _doses(span: Span, drugs: Sequence[Regimen]) -> list[dict[str, list[str]]]:
    doses = []
    for regimen in drugs:
        if regimen.drug.start == span.start:
            dose: dict[str, list[str]] = {}
            for part, found in regimen.parts():
                dose.setdefault(part, []).append(getattr(found, "text", ""))
            doses.append(dose)
    return doses


def _add_extensions() -> None:
    try:
        from spacy.tokens import Doc
        from spacy.tokens import Span as DocSpan
    except ImportError as error:
        raise MissingDependencyError("this needs spaCy: pip install spacy") from error
    for name, holder, default in (
        ("clinspan", Doc, None),
        ("clinspan_score", DocSpan, None),
        ("clinspan_assertion", DocSpan, None),
        ("clinspan_regimens", DocSpan, None),
    ):
        if not holder.has_extension(name):
            holder.set_extension(name, default=default)


def _register() -> Any:
    """Register the factory with spaCy."""
    _add_extensions()
    from spacy.language import Language

    @Language.factory(  # type: ignore[untyped-decorator]
        "clinspan",
        assigns=["doc.ents", "doc._.clinspan"],
        default_config={
            "model": None,
            "spans_key": None,
            "alignment": "expand",
            "threshold": 0.0,
            "clinical": True,
        },
    )
    def make(
        nlp: Language,
        name: str,
        model: str | None,
        spans_key: str | None,
        alignment: str,
        threshold: float,
        clinical: bool,
    ) -> Component:
        """Make the component from its config."""
        return Component(
            Recognizer.load(model),
            spans_key=spans_key,
            alignment=alignment,
            threshold=threshold,
            clinical=clinical,
        )

    return make


def __getattr__(name: str) -> Any:
    # spaCy's entry point names `factory`: looking it up registers it, and importing this module needs no spaCy.
    if name == "factory":
        return _register()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
