"""The component in real spaCy pipelines: offsets, alignment, batches, saving, and the components of others after it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.support.marked_note import NOTE, spans

from clinspan import Recognizer
from clinspan.interop.spacy import displacy, to_doc

spacy = pytest.importorskip("spacy")
TEXT = "She has pneumonia. Denies fever. Takes aspirin 81 mg by mouth daily."

pytestmark = pytest.mark.filterwarnings("ignore")  # of spaCy and its neighbours, at import


def pipeline(**config: Any) -> Any:
    nlp = spacy.blank("en")
    nlp.add_pipe("clinspan", config=config)
    return nlp


def test_add_pipe_finds_the_factory_and_sets_the_entities(starter: Recognizer) -> None:
    """By the entry point alone; the characters are the model's where tokens allow."""
    doc = pipeline()(TEXT)
    found = [(ent.label_, ent.start_char, ent.end_char) for ent in doc.ents]
    assert found == [(span.label, span.start, span.end) for span in starter.recognize(TEXT)]
    assert [ent._.clinspan_score for ent in doc.ents] == [span.score for span in starter.recognize(TEXT)]


def test_a_span_group_leaves_the_entities_alone() -> None:
    """With `spans_key` nothing else is touched."""
    doc = pipeline(spans_key="clinical")(TEXT)
    assert doc.ents == ()
    assert [span.text for span in doc.spans["clinical"]][:2] == ["pneumonia", "fever"]


@pytest.mark.parametrize(("alignment", "end"), [("expand", ["5.5mg/day"]), ("contract", []), ("strict", [])])
def test_a_span_inside_a_token_is_aligned_as_asked(alignment: str, end: list[str]) -> None:
    """To the whole token, or not at all; the span itself stays in `doc._.clinspan`."""
    from clinspan import Span

    nlp = spacy.blank("en")
    nlp.tokenizer = spacy.tokenizer.Tokenizer(nlp.vocab)  # splits at whitespace alone
    doc = to_doc("Give 5.5mg/day now", [Span("STRENGTH", 5, 10, "5.5mg", 0.9)], nlp, alignment=alignment)
    assert [ent.text for ent in doc.ents] == end
    assert [span["text"] for span in doc._.clinspan] == ["5.5mg"]


def test_of_two_spans_in_one_token_the_likelier_stays() -> None:
    """A token has one entity."""
    from clinspan import Span

    nlp = spacy.blank("en")
    nlp.tokenizer = spacy.tokenizer.Tokenizer(nlp.vocab)
    found = [Span("DRUG", 0, 7, "aspirin", 0.6), Span("STRENGTH", 8, 12, "81mg", 0.9)]
    doc = to_doc("aspirin/81mg", found, nlp)
    assert [(ent.label_, ent.text) for ent in doc.ents] == [("STRENGTH", "aspirin/81mg")]


def test_the_entities_of_earlier_components_stay_unless_they_overlap() -> None:
    """A ruler's date is kept; its own idea of a drug gives way."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "WHO", "pattern": "She"}, {"label": "X", "pattern": "has pneumonia"}])
    nlp.add_pipe("clinspan")
    assert [(ent.label_, ent.text) for ent in nlp(TEXT).ents][:2] == [
        ("WHO", "She"),
        ("PROBLEM", "pneumonia"),
    ]


def test_assertion_and_regimens_are_extension_attributes() -> None:
    """Plain values, one dictionary a span."""
    doc = pipeline()(TEXT)
    by_text = {ent.text: ent for ent in doc.ents}
    assert by_text["fever"]._.clinspan_assertion["negated"]
    assert not by_text["pneumonia"]._.clinspan_assertion["negated"]
    assert by_text["aspirin"]._.clinspan_regimens[0]["strength"] == ["81 mg"]
    assert pipeline(clinical=False)(TEXT).ents[0]._.clinspan_assertion is None


def test_pipe_gives_what_single_calls_give() -> None:
    """In order, across batches, and in two processes with everything attached."""
    nlp = pipeline()
    texts = [TEXT, "", "No cough.", TEXT[:30]] * 3

    def said(doc: Any) -> Any:
        return [(ent.text, ent.label_, ent._.clinspan_assertion) for ent in doc.ents], doc._.clinspan

    expected = [said(nlp(text)) for text in texts]
    assert [said(doc) for doc in nlp.pipe(texts, batch_size=5)] == expected
    assert [said(doc) for doc in nlp.pipe(texts, batch_size=5, n_process=2)] == expected


def test_a_pipeline_is_saved_and_loaded_by_its_config(tmp_path: Path) -> None:
    """The config holds the model's path and the options, and no weights."""
    nlp = pipeline(threshold=0.2, spans_key="sc")
    nlp.to_disk(tmp_path / "nlp")
    again = spacy.load(tmp_path / "nlp")
    assert again.get_pipe_config("clinspan") == nlp.get_pipe_config("clinspan")
    doc, same = nlp(TEXT), again(TEXT)
    assert [span.text for span in same.spans["sc"]] == [span.text for span in doc.spans["sc"]]
    assert sum(path.stat().st_size for path in (tmp_path / "nlp").rglob("*") if path.is_file()) < 2_000_000


def test_an_unknown_alignment_is_refused() -> None:
    """When the pipe is added, not at the first document."""
    with pytest.raises(ValueError, match="alignment 'nearest'"):
        pipeline(alignment="nearest")


def test_displacy_draws_the_dictionaries() -> None:
    """Every label is in the page it makes."""
    page = spacy.displacy.render(displacy(NOTE, spans()), style="ent", manual=True, page=True, jupyter=False)
    assert page.count("<mark") == len(spans())


def test_negspacy_reads_the_entities() -> None:
    """Its component after ours marks what is denied."""
    pytest.importorskip("negspacy.negation")
    nlp = pipeline()
    nlp.add_pipe("sentencizer", first=True)
    nlp.add_pipe("negex", config={"ent_types": ["PROBLEM"]})
    assert {ent.text: ent._.negex for ent in nlp(TEXT).ents if ent.label_ == "PROBLEM"} == {
        "pneumonia": False,
        "fever": True,
    }


def test_medspacys_context_reads_the_entities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ConText after ours marks what is denied."""
    # medspaCy imports its matcher of UMLS concepts for every component, and that does not build where we test.
    monkeypatch.setitem(sys.modules, "quickumls", ModuleType("quickumls"))
    monkeypatch.setattr(sys.modules["quickumls"], "spacy_component", None, raising=False)
    pytest.importorskip("medspacy.context")
    nlp = pipeline()
    nlp.add_pipe("sentencizer", first=True)
    nlp.add_pipe("medspacy_context")
    found = {ent.text: ent._.is_negated for ent in nlp(TEXT).ents}
    assert found["fever"]
    assert not found["pneumonia"]


def test_med7s_demo_runs_with_one_line_changed() -> None:
    """`spacy.load("en_core_med7_lg")` becomes a pipeline with ours; its colours and its loop stay."""
    med7 = pipeline()  # was: spacy.load("en_core_med7_lg")
    colours = {"DRUG": "#e6194B", "STRENGTH": "#3cb44b"}
    options = {"ents": list(colours), "colors": colours}
    doc = med7("A patient was prescribed Magnesium hydroxide 400mg/5ml suspension PO of total 30ml bid.")
    page = spacy.displacy.render(doc, style="ent", jupyter=False, options=options)
    assert "Magnesium hydroxide" in page
    assert "DRUG" in {ent.label_ for ent in doc.ents}
