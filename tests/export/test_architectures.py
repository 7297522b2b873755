"""Every architecture that clinical teams use leaves the exporter as the same model, with exact offsets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from tests.support import tiny_checkpoints

from clinspan import Recognizer
from clinspan.bundle.hub_folder import max_content_tokens
from clinspan.bundle.manifest import Bundle, open_bundle
from clinspan.text.tokenizer import Tokenizer
from clinspan_export import Checks, export
from clinspan_export import checkpoint as checkpoints
from clinspan_export.errors import ExportError
from clinspan_export.exporter import Overrides
from clinspan_export.verify.compare import TOLERANCE, torch_logits, torch_reference
from clinspan_export.verify.samples import unannotated

pytestmark = pytest.mark.export

SHORT = "Patient presents with chest pain;  ECG ordered\n(aspirin 81 mg, œdème)."


@dataclass(frozen=True)
class Case:
    """A checkpoint, loaded, and its bundle."""

    loaded: checkpoints.Checkpoint
    bundle: Bundle


@pytest.fixture(scope="module", params=list(tiny_checkpoints.ARCHITECTURES))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("architecture")
    if request.param in tiny_checkpoints.NEWER and version("transformers") < "5":
        pytest.skip(f"{request.param} needs transformers 5")
    source = tiny_checkpoints.save(folder / "checkpoint", request.param)
    bundle = export(
        str(source),
        folder / "bundle",
        precisions=("fp32", "int8", "fp16"),
        checks=Checks(samples=[unannotated("one", tiny_checkpoints.NOTE)]),
    )
    return Case(checkpoints.load(str(source)), bundle)


def test_short_note_has_the_logits_of_transformers_own_tokenizer_and_model(case: Case) -> None:
    """Ids, special tokens and logits are those of `model(**tokenizer(note))`, without any code of ours."""
    batch = case.loaded.tokenizer(SHORT, return_tensors="np")
    ids = batch["input_ids"].astype(np.int64)
    expected = torch_logits(case.loaded.model, ids, np.ones_like(ids))[0]

    got = Recognizer.load(case.bundle.path, precision="fp32").token_logits(SHORT)

    assert got.shape == expected[1:-1].shape
    assert np.abs(got - expected[1:-1]).max() < TOLERANCE


def test_long_note_has_the_spans_of_pytorch(case: Case) -> None:
    """The runtime's spans of a note of several windows are those decoded from the original's logits."""
    (expected,) = torch_reference(
        case.loaded.model, case.bundle, [unannotated("one", tiny_checkpoints.NOTE)]
    ).spans

    found = Recognizer.load(case.bundle.path, precision="fp32").recognize(tiny_checkpoints.NOTE)

    assert (
        len(Tokenizer(case.bundle.path / "tokenizer.json").encode(tiny_checkpoints.NOTE)) > case.bundle.window
    )
    assert len(found) > 5
    assert [(s.label, s.start, s.end) for s in found] == [(s.label, s.start, s.end) for s in expected]


def test_batch_and_length_are_dynamic(case: Case) -> None:
    """One graph takes every batch and length, and padding changes no token's logits."""
    session = ort.InferenceSession(case.bundle.path / "onnx/model.onnx", providers=["CPUExecutionProvider"])
    longest = min(case.bundle.max_window + 2, 300)
    for lengths in ([1], [longest], [5, 3], [longest, 9, 40]):
        feed = _padded(case.loaded.tokenizer, lengths)
        expected = torch_logits(case.loaded.model, feed["input_ids"], feed["attention_mask"])
        names = [node.name for node in session.get_inputs()]
        (got,) = session.run(["logits"], {name: feed[name] for name in names})
        real = feed["attention_mask"] == 1
        assert got.shape == expected.shape
        assert np.abs(got[real] - expected[real]).max() < TOLERANCE


def test_model_reads_as_many_tokens_as_the_bundle_says(case: Case) -> None:
    """The most tokens that the manifest allows really run; PyTorch's position table has no room for two more."""
    recognizer = Recognizer.load(case.bundle.path, precision="fp32", window=case.bundle.max_window)
    assert np.isfinite(recognizer.token_logits(tiny_checkpoints.NOTE * 2)).all()
    if case.bundle.provenance["model_type"] in ("deberta-v2", "modernbert", "eurobert", "gte", "nomic_bert"):
        return  # relative positions: any length runs
    too_long = np.full((1, case.bundle.max_window + 3), 10, dtype=np.int64)
    with pytest.raises((IndexError, RuntimeError)):
        torch_logits(case.loaded.model, too_long, np.ones_like(too_long))


@pytest.mark.parametrize("precision", ["fp32", "int8", "fp16"])
def test_spans_are_slices_without_blanks_around_them(case: Case, precision: str) -> None:
    """`note[start:end] == text`, no blank at either end, although tokens may carry the blank before them."""
    found = Recognizer.load(case.bundle.path, precision=precision).recognize(tiny_checkpoints.NOTE)
    assert found
    for span in found:
        assert tiny_checkpoints.NOTE[span.start : span.end] == span.text == span.text.strip()


def test_tokens_cover_every_visible_character(case: Case) -> None:
    """Offsets leave no letter out: each visible character lies in a token, and no token begins with whitespace."""
    offsets = Tokenizer(case.bundle.path / "tokenizer.json").encode(SHORT).offsets
    covered = {i for start, end in offsets.tolist() for i in range(start, end)}
    assert covered >= {i for i, char in enumerate(SHORT) if not char.isspace()}
    assert not any(SHORT[start].isspace() for start, end in offsets.tolist() if start < end)


def test_fp16_and_int8_stay_close_to_the_original(case: Case) -> None:
    """fp16 differs by less than 0.05 on any logit of these models, int8 by less than 1.5; neither is fp32."""
    parity = case.bundle.parity
    assert 0 < parity["fp16"]["max_logit_difference"] < 0.05
    assert 0.001 < parity["int8"]["max_logit_difference"] < 1.5
    assert parity["fp32"]["span_agreement_f1"] == 1.0


def test_bundle_opens_as_what_was_exported(case: Case) -> None:
    """The manifest read back is the bundle that the exporter returned."""
    assert open_bundle(case.bundle.path) == case.bundle


def test_optimum_writes_the_same_model(case: Case, tmp_path: Path) -> None:
    """`--exporter optimum` gives the logits of our own trace, and the manifest says which of them made the graph."""
    if find_spec("optimum") is None:
        pytest.skip("optimum is not installed")
    bundle = export(
        case.loaded.source,
        tmp_path / "bundle",
        precisions=("fp32", "int8"),
        checks=Checks(samples=[unannotated("one", tiny_checkpoints.NOTE)]),
        overrides=Overrides(exporter="optimum"),
    )
    assert (case.bundle.provenance["exporter"], bundle.provenance["exporter"]) == ("torch", "optimum")
    assert "optimum-onnx" in bundle.provenance["versions"]
    for one, exporter in ((case.bundle, "torch"), (bundle, "optimum")):
        report = (one.path / "report.html").read_text(encoding="utf-8")
        assert "transformers 4.57" in report
        assert f"the graph by {exporter}" in report
    ours, theirs = (
        Recognizer.load(one.path, precision="fp32").token_logits(SHORT) for one in (case.bundle, bundle)
    )
    assert np.abs(ours - theirs).max() < TOLERANCE / 10
    assert bundle.parity["fp32"]["span_agreement_f1"] == 1.0


def _padded(tokenizer: Any, lengths: list[int]) -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(1)
    usable = sorted(set(range(len(tokenizer))) - set(tokenizer.all_special_ids))
    mask = np.array([[1] * n + [0] * (max(lengths) - n) for n in lengths], dtype=np.int64)
    ids = np.where(mask == 1, random.choice(usable, mask.shape), tokenizer.pad_token_id).astype(np.int64)
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


@pytest.mark.parametrize(
    ("config", "most"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512}, 510),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 510),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514}, 510),
        ({"model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 0}, 510),
        ({"model_type": "modernbert", "max_position_embeddings": 8192}, 8190),
        ({"model_type": "deberta-v2"}, 510),
    ],
    ids=lambda value: value["model_type"] if isinstance(value, dict) else "",
)
def test_longest_window_follows_the_configuration(config: dict[str, Any], most: int) -> None:
    """Two special tokens are taken off, and the positions that RoBERTa's relatives never use."""
    assert max_content_tokens(config) == most


@pytest.mark.parametrize("kind", ["Bros", "LayoutLM"])
def test_architecture_that_needs_more_than_text_is_one_line(tmp_path: Path, kind: str) -> None:
    """A model of pages is refused by name, with those that can be exported, before anything is written."""
    source = _saved(tmp_path, kind, hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    name = kind.lower()
    with pytest.raises(
        ExportError, match=f"^{name} models need bbox besides text.*supported are .*deberta-v2"
    ) as caught:
        export(str(source), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def _saved(folder: Path, kind: str, **settings: int) -> Path:
    import transformers

    source = folder / "checkpoint"
    tokenizer = tiny_checkpoints.uncased()
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer), id2label={0: "O", 1: "B-TEST", 2: "I-TEST"}, **settings
    )
    getattr(transformers, f"{kind}ForTokenClassification")(config).save_pretrained(source)
    tokenizer.save_pretrained(source)
    return source


def test_cased_vocabulary_that_is_lowered_is_pointed_out(tmp_path: Path) -> None:
    """An old cased checkpoint without tokenizer settings is lowered by default; the exporter says so."""
    source = tiny_checkpoints.save(tmp_path / "checkpoint", "bert-cased")
    words = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    (source / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (source / name).unlink(missing_ok=True)  # transformers 5 writes two of them
    lines: list[str] = []
    export(str(source), tmp_path / "out", checks=Checks([unannotated("one", SHORT)]), progress=lines.append)
    assert any("lowers case" in line for line in lines)
