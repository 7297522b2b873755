"""A student learns its teacher's answers from notes that nobody annotated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.support import tiny_checkpoints
from tests.support.tiny_checkpoints import NOTE

from clinspan.errors import InputError
from clinspan_export import checkpoint
from clinspan_export.cli.main import main
from clinspan_export.errors import ExportError
from clinspan_export.pruning.parts import find_layers
from clinspan_export.pruning.prune import prune, rank
from clinspan_export.train.distil import Distilling, distil, recover
from clinspan_export.train.windows import token_windows
from clinspan_export.verify.compare import torch_logits
from clinspan_export.verify.samples import unannotated

pytestmark = pytest.mark.export


def test_recovery_brings_a_pruned_model_nearer_to_its_original(tmp_path: Path) -> None:
    """After some steps its logits differ less than before, and the original is as it was."""
    loaded = checkpoint.load(str(tiny_checkpoints.save(tmp_path / "checkpoint")))
    windows = list(token_windows(loaded, [NOTE]))
    ids = windows[0][None]
    wanted = torch_logits(loaded.model, ids, np.ones_like(ids))
    pruned = prune(loaded, rank(loaded, windows, {"neurons": 1.0, "heads": 10.0}), 0.6)
    before = np.abs(torch_logits(pruned.model, ids, np.ones_like(ids)) - wanted).mean()
    how = Distilling(steps=60, batch=4, learning_rate=1e-3)
    recovered = recover(pruned, [unannotated("1", NOTE)], lambda _: None, how)
    after = np.abs(torch_logits(recovered.model, ids, np.ones_like(ids)) - wanted).mean()
    assert after < 0.9 * before
    assert recovered.pruned["recovered"] == {"steps": 60, "batch": 4, "notes": 1}
    np.testing.assert_array_equal(torch_logits(loaded.model, ids, np.ones_like(ids)), wanted)


def test_a_student_is_a_checkpoint_with_fewer_layers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command writes what transformers loads; its config.json says how many layers there are."""
    teacher = tiny_checkpoints.save(tmp_path / "teacher")
    notes = tmp_path / "notes.jsonl"
    notes.write_text(json.dumps({"text": NOTE}), encoding="utf-8")
    out = tmp_path / "student"
    arguments = ["distil", str(teacher), "--layers", "1", "--notes", str(notes), "--out", str(out)]
    assert main([*arguments, "--steps", "3"]) == 0
    assert "1 layers" in capsys.readouterr().out
    assert len(find_layers(checkpoint.load(str(out)).model)) == 1
    assert main([*arguments, "--steps", "3"]) == 1
    assert "exists already" in capsys.readouterr().err


def test_what_cannot_be_distilled_is_refused(tmp_path: Path) -> None:
    """A student as deep as its teacher, no text, or no steps."""
    teacher = str(tiny_checkpoints.save(tmp_path / "teacher"))
    note = unannotated("1", NOTE)
    with pytest.raises(ExportError, match="has 2 layers: expected fewer"):
        distil(teacher, tmp_path / "out", [note], layers=2)
    with pytest.raises(ExportError, match="hold no text"):
        distil(teacher, tmp_path / "out", [unannotated("1", "")], layers=1)
    with pytest.raises(InputError, match="steps is 0"):
        Distilling(steps=0)
    assert not (tmp_path / "out").exists()
