"""clinspan and the libraries that people would use instead, on what a note says of its spans and which drug a dose belongs to.

Each is set up as its own documentation says and is given the same spans. `scripts/peers-clinical DIR` makes an
environment for each. edsnlp's own cues are French, so it is given the English terms of negspacy's `en_clinical` set, for
negation only: it has no English terms for the other kinds. OpenMed's rules and weights come with its package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Given(NamedTuple):
    """A span as every library is given it."""

    label: str
    start: int
    end: int


# For each span, the kinds that hold: negated, uncertain, historical, hypothetical, family.
Assert = Callable[[str, Sequence[Given]], list[set[str]]]
# (drug, part) as places in the spans.
Relate = Callable[[str, Sequence[Given]], set[tuple[int, int]]]

PARTS = ("STRENGTH", "FORM", "ROUTE", "DOSAGE", "FREQUENCY", "DURATION")
KINDS = ("negated", "uncertain", "historical", "hypothetical", "family")


def clinspan() -> Assert:
    """clinspan's rules as they are."""
    from clinspan.clinical import assertions

    def run(note: str, spans: Sequence[Given]) -> list[set[str]]:
        found = assertions(note, spans)
        return [{kind for kind in KINDS if getattr(each, kind)} for each in found]

    return run


def negspacy() -> Assert:
    """negspacy on an empty English pipeline with spaCy's rule of sentences."""
    import spacy
    from negspacy.negation import Negex  # noqa: F401  (registers the component)

    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    pipeline.add_pipe("negex")
    return _spacy(pipeline, {"negated": "negex"})


def medspacy() -> Assert:
    """medspaCy's tokenizer, sentences (PyRuSH), sections and ConText with its default rules."""
    import medspacy as library

    pipeline = library.load(
        medspacy_enable=["medspacy_tokenizer", "medspacy_pyrush", "medspacy_context", "medspacy_sectionizer"]
    )
    names = {
        "negated": "is_negated",
        "uncertain": "is_uncertain",
        "historical": "is_historical",
        "hypothetical": "is_hypothetical",
        "family": "is_family",
    }
    return _spacy(pipeline, names)


def edsnlp() -> Assert:
    """edsnlp's negation with English terms."""
    import edsnlp as library
    from negspacy.termsets import termset

    terms = termset("en_clinical").get_patterns()
    pipeline = library.blank("eds")
    pipeline.add_pipe("eds.sentences")
    pipeline.add_pipe(
        "eds.negation",
        config={
            "pseudo": terms["pseudo_negations"],
            "preceding": terms["preceding_negations"],
            "following": terms["following_negations"],
            "termination": terms["termination"],
            "verbs": [],
            "preceding_regex": [],
            "attr": "LOWER",
        },
    )
    return _spacy(pipeline, {"negated": "negation"})


def openmed() -> Assert:
    """OpenMed's context rules."""
    from openmed.clinical.context import assert_context
    from openmed.clinical.sections import detect_sections

    def run(note: str, spans: Sequence[Given]) -> list[set[str]]:
        given = [{"start": span.start, "end": span.end, "label": span.label} for span in spans]
        rows = assert_context(note, given, sections=detect_sections(note))
        return [set(_openmed_kinds(row)) for row in rows]

    return run


def _openmed_kinds(row: dict[str, Any]) -> list[str]:
    found = {
        "negated": row["negation"] == "negated",
        "uncertain": row["uncertainty"] == "uncertain",
        "historical": row["temporality"] == "historical",
        "hypothetical": row["temporality"] == "hypothetical",
        "family": row["experiencer"] == "family",
    }
    return [kind for kind, holds in found.items() if holds]


def _spacy(pipeline: Any, names: dict[str, str]) -> Assert:
    """Run a spaCy pipeline's components on given entities."""

    def run(note: str, spans: Sequence[Given]) -> list[set[str]]:
        doc = pipeline.make_doc(note)
        entities = [
            doc.char_span(span.start, span.end, label=span.label, alignment_mode="expand") for span in spans
        ]
        taken: set[int] = set()
        kept = []
        for entity in entities:
            # Two spans in one token cannot both be entities of a document.
            if entity is not None and not taken.intersection(range(entity.start, entity.end)):
                taken.update(range(entity.start, entity.end))
                kept.append(entity)
        doc.ents = tuple(kept)
        for _, component in pipeline.pipeline:
            doc = component(doc)
        by_place = {(entity.start, entity.end): entity for entity in doc.ents}
        answers = []
        for entity in entities:
            held = by_place.get((entity.start, entity.end)) if entity is not None else None
            answers.append(
                {kind for kind, name in names.items() if held is not None and getattr(held._, name)}
            )
        return answers

    return run


def clinspan_regimens() -> Relate:
    """clinspan's regimens as pairs."""
    from clinspan.clinical import regimens

    def run(note: str, spans: Sequence[Given]) -> set[tuple[int, int]]:
        places = {id(span): place for place, span in enumerate(spans)}
        return {
            (places[id(each.drug)], places[id(span)])
            for each in regimens(note, spans)
            for _, span in each.parts()
        }

    return run


def nearest_drug() -> Relate:
    """The drug with the fewest characters between, the one before where two are as near."""

    def run(note: str, spans: Sequence[Given]) -> set[tuple[int, int]]:
        drugs = [place for place, span in enumerate(spans) if span.label == "DRUG"]
        pairs = set()
        for place, span in enumerate(spans):
            if span.label not in PARTS or not drugs:
                continue
            distances = [max(spans[drug].start - span.end, span.start - spans[drug].end) for drug in drugs]
            pairs.add((drugs[distances.index(min(distances))], place))
        return pairs

    return run


def openmed_links() -> Relate:
    """OpenMed's deterministic linking of medication attributes, with its bundled weights."""
    from openmed.clinical.relations.medication_links import link_medication_attributes

    # DOSAGE is called a dose there as STRENGTH is not; its labels are those of these names in lower case.
    def run(note: str, spans: Sequence[Given]) -> set[tuple[int, int]]:
        places = {(span.start, span.end): place for place, span in enumerate(spans)}
        given = [
            {"text": note[s.start : s.end], "label": s.label.lower(), "start": s.start, "end": s.end}
            for s in spans
        ]
        return {
            (
                places[group.medication.start, group.medication.end],
                places[relation.attribute.start, relation.attribute.end],
            )
            for group in link_medication_attributes(note, given)
            for relation in group.relations
        }

    return run
