"""A classifier of texts and an encoder become bundles that answer as PyTorch does, whatever the architecture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.support import tiny_checkpoints

from clinspan import Classifier, Embedder
from clinspan.bundle.manifest import open_bundle
from clinspan.text.merge import Scoring, Vectors
from clinspan_export import ExportError, TextChecks, TextLimits, TextOverrides, export

pytestmark = pytest.mark.export
NOTE = tiny_checkpoints.NOTE
TEXTS = ["Chest pain.", "", *tiny_checkpoints.LINES]
LABELS = ("no", "maybe", "yes")
PROBLEMS = ("multi_label_classification", "regression")
FAMILIES = (
    "bert-uncased",
    "roberta",
    "distilbert",
    "electra",
    "deberta-v2",
    "mpnet",
    "xlm-roberta",
    "albert",
)


def checkpoint(folder: Path, name: str, auto: str, **config: Any) -> Path:
    """A tiny model of a task, with random weights that are large enough to decide."""
    import torch
    import transformers

    made = tiny_checkpoints.save(folder / "tokens", name)
    settings = transformers.AutoConfig.from_pretrained(made)
    settings.update(config)
    torch.manual_seed(3)
    model = getattr(transformers, auto).from_config(settings)
    model.save_pretrained(folder / "model")
    transformers.AutoTokenizer.from_pretrained(made).save_pretrained(folder / "model")
    return folder / "model"


def classifier(folder: Path, name: str = "bert-uncased", **config: Any) -> Path:
    names = dict(enumerate(LABELS))
    numbers = {label: number for number, label in names.items()}
    return checkpoint(
        folder, name, "AutoModelForSequenceClassification", id2label=names, label2id=numbers, **config
    )


def pipeline(source: Path) -> Any:
    import transformers

    model = transformers.AutoModelForSequenceClassification.from_pretrained(source)
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    if not getattr(model.config, "type_vocab_size", 0):
        tokenizer.model_input_names = ["input_ids", "attention_mask"]  # as that of DistilBERT itself
    return transformers.pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None)


def as_pipeline(scores: Any) -> list[tuple[str, Any]]:
    rows = scores[0] if isinstance(scores[0], list) else scores  # of a text alone it gives a list of one list
    return [(one["label"], pytest.approx(one["score"], abs=1e-4)) for one in rows]


@pytest.mark.parametrize(
    ("name", "problem"),
    [*((name, None) for name in FAMILIES), *(("bert-uncased", problem) for problem in PROBLEMS)],
)
def test_scores_are_those_of_the_transformers_pipeline(
    tmp_path: Path, name: str, problem: str | None
) -> None:
    """To 1e-4, for texts and pairs, one label or several; the int8 model is held to a limit by the export."""
    source = classifier(tmp_path, name, problem_type=problem)
    export(str(source), tmp_path / "bundle", precisions=("fp32",))
    theirs, ours = pipeline(source), Classifier.load(tmp_path / "bundle", threads=1)
    for text in TEXTS:
        assert [(one.label, one.score) for one in ours.classify(text)] == as_pipeline(theirs(text))
    for first, second in [("Fever?", "No fever."), (TEXTS[2], TEXTS[3])]:
        expected = as_pipeline(theirs({"text": first, "text_pair": second}))
        assert [(one.label, one.score) for one in ours.classify((first, second))] == expected


def test_truncation_is_that_of_transformers(tmp_path: Path) -> None:
    """A long text, and pairs that are too long in one part or the other, cut token by token as `truncation=True` does."""
    source = classifier(tmp_path)
    export(str(source), tmp_path / "bundle", precisions=("fp32",))
    theirs, ours = pipeline(source), Classifier.load(tmp_path / "bundle", threads=1)
    limit = {"truncation": True, "max_length": 128}
    assert [(s.label, s.score) for s in ours.classify(NOTE, truncate=True)] == as_pipeline(
        theirs(NOTE, **limit)
    )
    for pair in [("Fever?", NOTE), (NOTE, "No fever."), (NOTE, NOTE), (NOTE[:300], NOTE)]:
        expected = as_pipeline(theirs({"text": pair[0], "text_pair": pair[1]}, **limit))
        assert [(one.label, one.score) for one in ours.classify(pair, truncate=True)] == expected


def sentence_folder(folder: Path, modes: dict[str, bool], *, normalize: bool, dense: int = 0) -> Path:
    """Save a tiny encoder as sentence-transformers would."""
    source = checkpoint(folder, "bert-uncased", "AutoModel")
    steps = ["Transformer", "Pooling", *(["Dense"] if dense else []), *(["Normalize"] if normalize else [])]
    rows = [
        {
            "idx": n,
            "name": str(n),
            "path": f"{n}_{step}" if n else "",
            "type": f"sentence_transformers.models.{step}",
        }
        for n, step in enumerate(steps)
    ]
    (source / "modules.json").write_text(json.dumps(rows), encoding="utf-8")
    settings = {"max_seq_length": 64, "do_lower_case": False}
    (source / "sentence_bert_config.json").write_text(json.dumps(settings), encoding="utf-8")
    (source / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 32, **modes, "include_prompt": True}
    (source / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    if dense:
        import torch
        from safetensors.torch import save_file

        (source / "2_Dense").mkdir()
        activation = "torch.nn.modules.activation.Tanh"
        config = {"in_features": 32, "out_features": dense, "bias": True, "activation_function": activation}
        (source / "2_Dense" / "config.json").write_text(json.dumps(config), encoding="utf-8")
        weights = {"linear.weight": torch.randn(dense, 32), "linear.bias": torch.randn(dense)}
        save_file(weights, source / "2_Dense" / "model.safetensors")
    return source


def expected_vectors(source: Path, pooling: str, texts: list[str]) -> np.ndarray:
    """Pooled token by token, one text at a time, with nothing of the exporter."""
    import torch
    import transformers

    model = transformers.AutoModel.from_pretrained(source).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    rows = []
    for text in texts:
        with torch.inference_mode():
            out = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True)
        tokens = out.last_hidden_state[0].numpy()
        if pooling == "last-four":
            # The tiny model has two layers, and its embeddings count as the layer before the first.
            tokens = np.mean([layer[0].numpy() for layer in out.hidden_states[-4:]], axis=0)
        rows.append({"cls": tokens[0], "max": tokens.max(axis=0)}.get(pooling, tokens.mean(axis=0)))
    return np.stack(rows)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "last-four"])
def test_a_bare_encoder_is_pooled_as_asked_for(tmp_path: Path, pooling: str) -> None:
    """To 1e-5, and a vector does not depend on what is padded beside it."""
    source = checkpoint(tmp_path, "bert-uncased", "AutoModel")
    bundle = export(
        str(source), tmp_path / "bundle", precisions=("fp32",), overrides=TextOverrides(pooling=pooling)
    )
    assert bundle.head == Vectors(32, normalize=False, pooling=pooling)
    embedder = Embedder.load(tmp_path / "bundle", threads=1)
    expected = expected_vectors(source, pooling, TEXTS)
    assert np.abs(embedder.embed(TEXTS) - expected).max() < 1e-5
    batched = embedder._runner.model.batch([embedder._loaded.tokenizer.encode(text).ids for text in TEXTS])
    assert np.abs(np.stack(batched) - expected).max() < 1e-5


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(
    ("mode", "pooling"), [("mean_tokens", "mean"), ("cls_token", "cls"), ("max_tokens", "max")]
)
def test_a_folder_of_sentence_transformers_says_how_to_pool(
    tmp_path: Path, mode: str, pooling: str, normalize: bool
) -> None:
    """Pooling, length and the longest text are read from its files."""
    source = sentence_folder(tmp_path, {f"pooling_mode_{mode}": True}, normalize=normalize)
    bundle = export(str(source), tmp_path / "bundle", precisions=("fp32",))
    assert bundle.head == Vectors(32, normalize, pooling)
    assert bundle.window == 62
    expected = expected_vectors(source, pooling, TEXTS)
    if normalize:
        expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.abs(Embedder.load(tmp_path / "bundle", threads=1).embed(TEXTS) - expected).max() < 1e-5


def test_a_dense_layer_behind_the_pooling_is_part_of_the_graph(tmp_path: Path) -> None:
    """Its activation too."""
    from safetensors.numpy import load_file

    source = sentence_folder(tmp_path, {"pooling_mode_mean_tokens": True}, normalize=False, dense=8)
    bundle = export(str(source), tmp_path / "bundle", precisions=("fp32",))
    assert bundle.head == Vectors(8)
    weights = load_file(source / "2_Dense" / "model.safetensors")
    pooled = expected_vectors(source, "mean", TEXTS)
    expected = np.tanh(pooled @ weights["linear.weight"].T + weights["linear.bias"])
    assert np.abs(Embedder.load(tmp_path / "bundle", threads=1).embed(TEXTS) - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pooling_mode_lasttoken": True}, "pools by"),
        ({}, "pools by nothing"),
    ],
)
def test_a_pooling_that_cannot_be_exported_is_refused(
    tmp_path: Path, change: dict[str, bool], message: str
) -> None:
    """Rather than exported as something else."""
    source = sentence_folder(tmp_path, change, normalize=False)
    with pytest.raises(ExportError, match=message):
        export(str(source), tmp_path / "bundle")


def test_int8_and_fp16_are_measured_and_held_to_limits(tmp_path: Path) -> None:
    """The manifest says how far each is from PyTorch, and a limit that is broken leaves nothing behind."""
    source = classifier(tmp_path)
    bundle = export(str(source), tmp_path / "bundle", precisions=("fp32", "int8", "fp16"))
    assert isinstance(bundle.head, Scoring)
    assert open_bundle(tmp_path / "bundle").parity == bundle.parity
    for precision in ("fp32", "int8", "fp16"):
        assert 0 <= bundle.parity[precision]["agreement"] <= 1
    assert bundle.parity["fp32"]["max_difference"] < 1e-4
    assert 0 < bundle.parity["int8"]["max_score_change"] < 0.2
    checks = TextChecks(limits=TextLimits(max_score_change=0.0))
    with pytest.raises(ExportError, match=r"int8: labels of .* beyond --max-score-change 0"):
        export(str(source), tmp_path / "other", precisions=("int8",), checks=checks)
    assert not (tmp_path / "other").exists()


def test_a_model_of_pairs_is_compared_on_pairs(tmp_path: Path) -> None:
    """And its bundle says that it reads two texts."""
    source = classifier(tmp_path)
    overrides = TextOverrides(pairs=True, merge="max", scale="logits")
    checks = TextChecks([(TEXTS[0], NOTE), (TEXTS[2], TEXTS[3])])
    bundle = export(
        str(source), tmp_path / "bundle", precisions=("fp32",), overrides=overrides, checks=checks
    )
    assert bundle.parity["fp32"]["windows"] > 2
    assert bundle.head == Scoring(LABELS, merge="max", scale="logits", pairs=True)


def test_what_training_noted_in_a_checkpoint_is_kept(tmp_path: Path) -> None:
    """Windows, merging and thresholds, unless the caller says otherwise."""
    noted = {"window": 40, "merge": "max", "scale": "logits", "pairs": False, "thresholds": {"no": 0.25}}
    source = classifier(tmp_path, problem_type="multi_label_classification", clinspan=noted)
    overrides = TextOverrides(scale="probabilities")
    bundle = export(str(source), tmp_path / "bundle", precisions=("fp32",), overrides=overrides)
    assert bundle.head == Scoring(LABELS, "multi-label", "max", "probabilities", {"no": 0.25})
    assert bundle.window == 40
