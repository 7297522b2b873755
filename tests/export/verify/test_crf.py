"""A checkpoint with a CRF behind its classifier gives the spans of the original, or is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import tiny_checkpoints

from clinspan import Recognizer
from clinspan.bundle.manifest import open_bundle
from clinspan.pipeline import Cutting, own_logits, tokenize, window_ids
from clinspan.text.decode import Span, Words, label_table, softmax, spans
from clinspan.text.encoding import NO_WORD
from clinspan.text.tokenizer import Tokenizer
from clinspan.text.viterbi import Crf, viterbi
from clinspan_export.cli.main import main

pytestmark = pytest.mark.export
C = len(tiny_checkpoints.BIO)
NOTES = (tiny_checkpoints.NOTE, *tiny_checkpoints.LINES)


def torch_path(emissions: Any, transitions: Any, start: Any, end: Any) -> list[int]:
    """The best path as a layer in PyTorch finds it: scores of all labels step by step, then back from the end."""
    score, history = start + emissions[0], []
    for row in emissions[1:]:
        best = (score.unsqueeze(1) + transitions + row.unsqueeze(0)).max(dim=0)
        score = best.values
        history.append(best.indices)
    path = [int((score + end).argmax())]
    for indices in reversed(history):
        path.append(int(indices[path[-1]]))
    return path[::-1]


def test_a_thousand_random_inputs_give_the_path_of_pytorch() -> None:
    """Of 1 to 40 words and 1 to 12 labels, with transitions that matter."""
    import torch

    random = np.random.default_rng(11)
    for _ in range(1000):
        t, c = int(random.integers(1, 41)), int(random.integers(1, 13))
        emissions = (random.normal(size=(t, c)) * 2).astype(np.float32)
        tables = [random.normal(size=shape) * 2 for shape in ((c, c), (c,), (c,))]
        expected = torch_path(
            torch.from_numpy(emissions).double(), *(torch.from_numpy(table) for table in tables)
        )
        assert viterbi(emissions, Crf(*tables)).tolist() == expected


def save_crf(folder: Path, *, saved_by: str = "BertCRF", name: str = "bert-uncased", **changes: Any) -> Path:
    """Write a tiny BERT-CRF; `changes` put other tensors in the place of its own, None takes one away."""
    import torch
    from safetensors.torch import load_file, save_file

    tiny_checkpoints.save(folder, name)
    torch.manual_seed(3)
    tensors = {
        "crf.transitions": torch.randn(C, C) * 3,
        "crf.start_transitions": torch.randn(C),
        "crf.end_transitions": torch.randn(C),
        **{name.replace("__", "."): tensor for name, tensor in changes.items()},
    }
    weights = {**load_file(folder / "model.safetensors"), **tensors}
    kept = {name: tensor for name, tensor in weights.items() if tensor is not None}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "architectures": [saved_by]}), encoding="utf-8")
    return folder


def original_spans(checkpoint: Path, bundle: Path, notes: tuple[str, ...]) -> list[list[Span]]:
    """The spans of the original: encoder, linear layer and CRF in PyTorch, over the windows of the bundle."""
    import torch
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    weights = load_file(checkpoint / "model.safetensors")
    encoder = BertModel(BertConfig.from_pretrained(checkpoint), add_pooling_layer=False).eval()
    encoder.load_state_dict({n.removeprefix("bert."): w for n, w in weights.items() if n.startswith("bert.")})
    record, tokenizer = open_bundle(bundle), Tokenizer(bundle / "tokenizer.json")
    found = []
    for text in notes:
        note = tokenize(text, tokenizer, Cutting(record.window, record.overlap))
        rows = []
        for window in note.windows:
            ids = torch.from_numpy(tokenizer.frame(window_ids(note, window))[None])
            with torch.inference_mode():
                hidden = encoder(input_ids=ids).last_hidden_state[0, 1:-1]
            emissions = hidden @ weights["classifier.weight"].T + weights["classifier.bias"]
            rows.append(own_logits(window, emissions.numpy()))
        logits, word_ids = np.concatenate(rows), note.encoding.word_ids.tolist()
        first = [i for i, w in enumerate(word_ids) if w != NO_WORD and w not in word_ids[:i]]
        last = [max(j for j, w in enumerate(word_ids) if w == word_ids[i]) for i in first]
        names = ("crf.transitions", "crf.start_transitions", "crf.end_transitions")
        path = torch_path(torch.from_numpy(logits[first]), *(weights[name] for name in names))
        labels = np.array(path, dtype=np.int32)
        scores = softmax(logits[first])[range(len(first)), labels]
        words = Words(np.array(first, np.int32), np.array(last, np.int32), labels, scores)
        found.append(spans(text, note.encoding, [words], label_table(record.labels)))
    return found


def places(found: list[list[Span]]) -> list[list[tuple[str, int, int]]]:
    return [[(span.label, span.start, span.end) for span in one] for one in found]


def test_an_exported_crf_gives_the_spans_of_the_original(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over a note of several windows as over single lines; without the CRF the spans would be others."""
    source, out = save_crf(tmp_path / "checkpoint"), tmp_path / "out"
    assert main([str(source), str(out), "--precision=fp32", "--window=40"]) == 0
    assert "a CRF decides the labels" in capsys.readouterr().err
    recognizer = Recognizer.load(out)
    expected = original_spans(source, out, NOTES)
    got = list(recognizer.pipe(NOTES))
    assert places(got) == places(expected)
    assert [recognizer.recognize(note) for note in NOTES] == got
    for a, b in zip(got, expected, strict=True):
        assert [span.score for span in a] == pytest.approx([span.score for span in b], abs=1e-4)
    tokens = len(Tokenizer(out / "tokenizer.json").encode(NOTES[0]))
    assert tokens > 5 * 40
    manifest = json.loads((out / "clinspan.json").read_text(encoding="utf-8"))
    assert manifest["aggregation"] == "crf"
    assert manifest["provenance"].get("unused", []) == []
    assert manifest["parity"]["fp32"]["flipped_labels"] == 0

    plain = tmp_path / "plain"
    none: dict[str, Any] = dict.fromkeys(
        ("crf__transitions", "crf__start_transitions", "crf__end_transitions")
    )
    without = save_crf(tmp_path / "without", saved_by="BertForTokenClassification", **none)
    assert main([str(without), str(plain), "--precision=fp32", "--window=40"]) == 0
    assert places(list(Recognizer.load(plain).pipe(NOTES))) != places(got)


def test_tuning_keeps_the_crf(tmp_path: Path) -> None:
    """Windows are chosen, and the CRF decides in each."""
    gold = tmp_path / "dev.jsonl"
    rows = [
        {"id": str(i), "text": text, "entities": [{"label": "PROBLEM", "start": 0, "end": 7}]}
        for i, text in enumerate(tiny_checkpoints.LINES)
    ]
    gold.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    source, out = save_crf(tmp_path / "checkpoint"), tmp_path / "out"
    assert main([str(source), str(out), "--precision=fp32", "--tune", str(gold)]) == 0
    manifest = json.loads((out / "clinspan.json").read_text(encoding="utf-8"))
    assert {row["aggregation"] for row in manifest["tuning"]["table"]} == {"crf"}
    assert Recognizer.load(out).report().aggregation == "crf"


def refusal(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main([str(source), str(tmp_path / "out"), "--precision=fp32", *options]) == 1
    assert not (tmp_path / "out").exists()
    return capsys.readouterr().err.splitlines()[-1]


def ones(*shape: int) -> Any:
    import torch

    return torch.ones(shape)


def test_tables_that_do_not_fit_the_labels_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table for two labels more, as some add for the start and the end; a number that is not finite."""
    for i, bad in enumerate([ones(C + 2, C + 2), ones(C), ones(C, C) * float("nan")]):
        source = save_crf(tmp_path / str(i), crf__transitions=bad)
        assert f"a CRF that does not fit its {C} labels" in refusal(source, tmp_path, capsys)


def test_what_is_not_exactly_such_a_crf_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table missing, one more, an LSTM before it, a class that may compute its logits in another way."""
    cases: list[tuple[dict[str, Any], str]] = [
        ({"crf__end_transitions": None, "saved_by": "BertForTokenClassification"}, "crf.start_transitions"),
        ({"crf__end_transitions": None}, "saved by the class BertCRF"),
        ({"crf__mask_transitions": ones(C, C)}, "crf.mask_transitions"),
        ({"lstm__weight_ih_l0": ones(8, 32)}, "does not use: lstm.weight_ih_l0:"),
        ({"saved_by": "BertMeanOfLayersCRFForTokenClassification"}, "BertMeanOfLayersCRF"),
        ({"saved_by": "BertLstmCRF"}, "BertLstmCRF"),
    ]
    for i, (changes, said) in enumerate(cases):
        assert said in refusal(save_crf(tmp_path / str(i), **changes), tmp_path, capsys)


def test_another_aggregation_than_the_crf_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A CRF is never passed over."""
    line = refusal(save_crf(tmp_path / "checkpoint"), tmp_path, capsys, "--aggregation=average")
    assert "this checkpoint's CRF decides the labels" in line


@pytest.mark.parametrize("kind", ["shards", "pickle"])
def test_the_tables_are_found_wherever_the_weights_lie(tmp_path: Path, kind: str) -> None:
    """In one of several files, or in a pickled one that the user trusts."""
    import torch
    from safetensors.torch import load_file, save_file

    source = save_crf(tmp_path / "checkpoint")
    weights = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    if kind == "pickle":
        torch.save(weights, source / "pytorch_model.bin")
    else:
        files = {name: f"model-0000{1 + name.startswith('crf')}-of-00002.safetensors" for name in weights}
        for file in set(files.values()):
            part = {name: tensor for name, tensor in weights.items() if files[name] == file}
            save_file(part, source / file, metadata={"format": "pt"})
        index = {"metadata": {"total_size": 1}, "weight_map": files}
        (source / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert main([str(source), str(tmp_path / "out"), "--precision=fp32", "--allow-pickle"]) == 0
    crf = open_bundle(tmp_path / "out").crf
    assert crf is not None
    assert np.array_equal(crf.transitions, weights["crf.transitions"].double().numpy())
    assert np.array_equal(crf.end_transitions, weights["crf.end_transitions"].double().numpy())


def test_a_pruned_model_keeps_the_crf(tmp_path: Path) -> None:
    """Pruning takes parts of the encoder alone."""
    source, out = save_crf(tmp_path / "checkpoint"), tmp_path / "out"
    notes = tmp_path / "notes"
    notes.mkdir()
    for name in ("1.txt", "2.txt"):
        (notes / name).write_text(tiny_checkpoints.NOTE * 4, encoding="utf-8")
    assert main([str(source), str(out), "--precision=fp32", "--prune=0.2", f"--notes={notes}"]) == 0
    crf = open_bundle(out).crf
    assert crf is not None
    assert crf.fits(C)


def test_a_student_would_lose_the_crf(tmp_path: Path) -> None:
    """Distilling stops before it trains."""
    from clinspan_export.errors import ExportError
    from clinspan_export.train.distil import distil

    with pytest.raises(ExportError, match="has a CRF, which a student would lose"):
        distil(str(save_crf(tmp_path / "checkpoint")), tmp_path / "student", [], layers=1)
