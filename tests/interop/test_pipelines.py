"""The dictionaries of transformers' pipelines, beside the pipelines themselves on tiny models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import tiny_checkpoints

from clinspan import Classifier, Embedder
from clinspan.interop import huggingface
from clinspan.texts import Text

pytestmark = pytest.mark.export

LABELS = ("no", "maybe", "yes")
TEXTS = ["Chest pain.", *tiny_checkpoints.LINES[:3]]


def made(folder: Path, auto: str, **config: Any) -> Path:
    """A tiny checkpoint with random weights that are large enough to decide, and its bundle beside it."""
    import torch
    import transformers

    from clinspan_export import export

    tokens = tiny_checkpoints.save(folder / "tokens", "bert-uncased")
    settings = transformers.AutoConfig.from_pretrained(tokens)
    settings.update(config)
    torch.manual_seed(3)
    getattr(transformers, auto).from_config(settings).save_pretrained(folder / "model")
    transformers.AutoTokenizer.from_pretrained(tokens).save_pretrained(folder / "model")
    export(str(folder / "model"), folder / "bundle", precisions=("fp32",))
    return folder


def close(rows: Any) -> Any:
    """The same, with scores to 1e-4."""
    if isinstance(rows, list):
        return [close(row) for row in rows]
    return {**rows, "score": pytest.approx(rows["score"], abs=1e-4)}


@pytest.mark.parametrize("problem", [None, "multi_label_classification", "regression"])
def test_labels_are_what_the_text_classification_pipeline_gives(tmp_path: Path, problem: str | None) -> None:
    """The best label, the best two, and all of them; of texts and of pairs as the pipeline takes them."""
    import transformers

    names = {"id2label": dict(enumerate(LABELS)), "label2id": {name: n for n, name in enumerate(LABELS)}}
    folder = made(tmp_path, "AutoModelForSequenceClassification", problem_type=problem, **names)
    theirs: Any = transformers.pipeline("text-classification", model=str(folder / "model"))
    ours = Classifier.load(folder / "bundle", threads=1)
    found = list(ours.pipe(TEXTS))
    assert [huggingface.labels(scores)[0] for scores in found] == close(theirs(TEXTS))
    assert huggingface.labels(found[0]) == close(theirs(TEXTS[0]))
    assert list(huggingface.labels(found[0])[0]) == list(theirs(TEXTS[0])[0])
    for top_k in (2, None):
        assert [huggingface.labels(scores, top_k=top_k) for scores in found] == close(
            theirs(TEXTS, top_k=top_k)
        )
    pairs: list[Text] = [(TEXTS[1], TEXTS[2]), (TEXTS[3], TEXTS[0])]
    expected = theirs([huggingface.pair(pair) for pair in pairs], top_k=None)
    assert [huggingface.labels(scores, top_k=None) for scores in ours.pipe(pairs)] == close(expected)


def test_features_are_the_mean_of_what_the_feature_extraction_pipeline_gives(tmp_path: Path) -> None:
    """The pipeline has a vector for each token, special ones too; a bundle that pools by mean has theirs."""
    import transformers

    folder = made(tmp_path, "AutoModel")
    theirs: Any = transformers.pipeline("feature-extraction", model=str(folder / "model"))
    ours = Embedder.load(folder / "bundle", threads=1)
    for text, vector in zip(TEXTS, ours.embed(TEXTS), strict=True):
        (tokens,) = theirs(text)
        found = huggingface.features(vector)
        assert all(type(number) is float for number in found)
        assert found == pytest.approx(np.mean(tokens, axis=0).tolist(), abs=1e-5)
