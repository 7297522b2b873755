"""A pruned model is smaller, still answers like its original, and says what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.support import tiny_checkpoints
from tests.support.tiny_checkpoints import ARCHITECTURES, NOTE, Kind

from clinspan import Recognizer
from clinspan.bundle.manifest import open_bundle
from clinspan_export import checkpoint
from clinspan_export.cli.main import main
from clinspan_export.errors import ExportError
from clinspan_export.exporter import export
from clinspan_export.pruning import export_pruned
from clinspan_export.pruning.choose import choose
from clinspan_export.pruning.fisher import information
from clinspan_export.pruning.parts import find_parts, take_out, widths
from clinspan_export.pruning.prune import Ranked, prune, rank
from clinspan_export.pruning.refit import refit
from clinspan_export.train.windows import token_windows
from clinspan_export.verify.compare import torch_logits

pytestmark = pytest.mark.export

# More than one step of neurons.
WIDE = {"intermediate_size": 160, "hidden_dim": 160}


def _checkpoint(folder: Path, name: str, **settings: Any) -> Path:
    kind = ARCHITECTURES[name]
    wide = {key: value for key, value in WIDE.items() if key in kind.settings}
    return tiny_checkpoints.write(
        folder, Kind(kind.model, kind.tokenizer, {**kind.settings, **wide, **settings})
    )


def _ranked(loaded: checkpoint.Checkpoint) -> Ranked:
    windows = list(token_windows(loaded, [NOTE]))
    return rank(loaded, windows, {"neurons": 1.0, "heads": 20.0})


SLOW = ("roberta", "electra", "megatron-bert", "deberta-v2")


@pytest.mark.parametrize(
    "name",
    ["bert-uncased", "distilbert", "mpnet", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)],
)
def test_every_layout_exports_what_was_pruned(name: str, tmp_path: Path) -> None:
    """The fp32 graph of a pruned model of every layout is that model, which the export itself checks."""
    loaded = checkpoint.load(str(_checkpoint(tmp_path / "checkpoint", name)))
    pruned = prune(loaded, _ranked(loaded), 0.4)
    before, after = find_parts(loaded.model), find_parts(pruned.model)
    assert sum(part.units for part in after) < sum(part.units for part in before)
    bundle = export(pruned, tmp_path / "bundle")
    assert bundle.provenance["pruned"]["neurons"] == widths(after, "neurons")
    Recognizer.load(tmp_path / "bundle").recognize(NOTE)


def test_units_are_what_their_masks_switch_off(tmp_path: Path) -> None:
    """To take units out gives the very answers that zeros in their place give."""
    loaded = checkpoint.load(str(_checkpoint(tmp_path / "checkpoint", "bert-uncased")))
    ids = _ranked(loaded).windows[0][None]
    for number, part in enumerate(find_parts(loaded.model)):
        mask = torch.ones(part.units * part.size)
        mask[part.size : 2 * part.size] = 0  # the second unit
        hook = part.leave.register_forward_pre_hook(lambda _, args, mask=mask: (args[0] * mask,))
        wanted = torch_logits(loaded.model, ids, np.ones_like(ids))
        hook.remove()
        smaller = checkpoint.load(loaded.source).model
        take_out(find_parts(smaller)[number], np.delete(np.arange(part.units), 1))
        np.testing.assert_allclose(torch_logits(smaller, ids, np.ones_like(ids)), wanted, atol=1e-4)


def test_a_unit_that_does_nothing_has_no_information(tmp_path: Path) -> None:
    """A neuron whose column is zero is worth nothing, and it is the first to go."""
    loaded = checkpoint.load(str(_checkpoint(tmp_path / "checkpoint", "bert-uncased")))
    parts = find_parts(loaded.model)
    number = next(n for n, part in enumerate(parts) if part.kind == "neurons")
    with torch.no_grad():
        parts[number].leave.weight[:, 32:64] = 0
    found = information(loaded.model, parts, _ranked(loaded).windows)
    assert (found[number][32:64] == 0).all()
    assert (np.delete(found[number], np.s_[32:64]) > 0).all()
    kinds = [part.kind for part in parts]
    kept = choose(kinds, found, {"neurons": 1.0, "heads": 1000.0}, 32 / (320 + 8000))[number]
    assert kept.tolist() == [*range(32), *range(64, 160)]


def test_a_dear_unit_goes_before_a_cheap_one_of_the_same_worth() -> None:
    """Units are compared by the information that a unit gives for the time that it takes."""
    information = [np.full(4, 2.0), np.full(64, 1.0)]
    heads, neurons = choose(["heads", "neurons"], information, {"heads": 100.0, "neurons": 1.0}, 0.5)
    assert (len(heads), len(neurons)) == (2, 64)


def test_the_fit_gives_back_what_was_redundant(tmp_path: Path) -> None:
    """Where neurons come twice, taking one of each pair away and fitting the rest loses nothing."""
    loaded = checkpoint.load(str(_checkpoint(tmp_path / "checkpoint", "bert-uncased")))
    for part in find_parts(loaded.model):
        if part.kind == "neurons":
            enter = part.module.intermediate.dense
            with torch.no_grad():
                enter.weight[80:], enter.bias[80:] = enter.weight[:80], enter.bias[:80]
    windows = _ranked(loaded).windows
    ids = windows[0][None]
    wanted = torch_logits(loaded.model, ids, np.ones_like(ids))
    pruned = prune(loaded, rank(loaded, windows, {"neurons": 1.0, "heads": 1e6}), 1e-9)
    for part in find_parts(pruned.model):
        if part.kind == "neurons":
            take_out(part, np.arange(80))
    spoilt = torch_logits(pruned.model, ids, np.ones_like(ids))
    refit(loaded.model, pruned.model, windows)
    fitted = torch_logits(pruned.model, ids, np.ones_like(ids))
    assert np.abs(fitted - wanted).mean() < 0.1 * np.abs(spoilt - wanted).mean()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    rows = [json.dumps({"text": NOTE, "id": str(number)}) for number in range(4)]
    (tmp_path / "notes.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path / "notes.jsonl"


def test_the_command_line_prunes_and_says_so(
    notes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Share, speed and agreement stand in the summary; the bundle names the file that it was pruned from."""
    source = _checkpoint(tmp_path / "checkpoint", "bert-uncased")
    out = tmp_path / "bundle"
    assert main([str(source), str(out), "--prune", "0.3", "--notes", str(notes)]) == 0
    said = capsys.readouterr().out
    assert "pruned " in said
    assert "x as fast as unpruned" in said
    assert "of spans, against PyTorch on 2 notes" in said
    record = open_bundle(out).provenance["pruned"]
    assert record["from_sha256"] == open_bundle(out).provenance["weights_sha256"] != ""
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert config["intermediate_sizes"] == record["neurons"]
    assert config["intermediate_size"] == max(record["neurons"])
    assert config["attention_heads"] == record["heads"]
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["onnx"]


def test_auto_goes_as_far_as_the_limits(
    notes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the largest share that keeps them, and fails where none does."""
    monkeypatch.setattr(export_pruned, "SHARES", (0.7, 0.1))
    source = _checkpoint(tmp_path / "checkpoint", "bert-uncased")
    arguments = [str(source), str(tmp_path / "bundle"), "--prune", "auto", "--notes", str(notes)]
    assert main([*arguments, "--min-agreement", "0"]) == 0
    assert open_bundle(tmp_path / "bundle").provenance["pruned"]["share"] == 0.7
    assert main([*arguments, "--min-agreement", "1", "--force"]) == 1
    assert "no share from 10% on keeps the limits" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (("--prune", "1"), "--prune is 1: expected a share above 0 and below 1, or auto"),
        (("--prune", "half"), "--prune is 'half': expected a share such as 0.3, or auto"),
        (("--prune", "auto"), "--prune auto needs a limit to go to"),
        (("--prune", "0.3"), "it needs at least 1000"),
        (("--recover", "notes.jsonl"), "--recover trains what --prune left: give --prune as well"),
    ],
)
def test_what_cannot_be_pruned_is_refused(
    extra: tuple[str, ...], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong share, no limit to go to, or too few notes: one line, and no bundle."""
    source = _checkpoint(tmp_path / "checkpoint", "bert-uncased")
    assert main([str(source), str(tmp_path / "bundle"), *extra]) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()


def test_layers_that_share_their_weights_are_refused(tmp_path: Path) -> None:
    """ALBERT has one layer, which runs many times."""
    loaded = checkpoint.load(str(tiny_checkpoints.save(tmp_path / "checkpoint", "albert")))
    with pytest.raises(ExportError, match="albert models cannot be pruned"):
        find_parts(loaded.model)
