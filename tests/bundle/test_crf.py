"""A bundle with a CRF: its tables are checked when it is loaded, and decide every label."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import bundles
from tests.support.example_notes import texts

from clinspan import BundleError, InputError, Recognizer
from clinspan.bundle.manifest import MANIFEST, open_bundle

C = len(bundles.LABELS)


def tables(random: np.random.Generator | None = None) -> dict[str, Any]:
    """The field of a manifest: zeros, or random numbers."""
    whole = np.zeros((C + 2, C)) if random is None else random.normal(size=(C + 2, C)) * 3
    return {
        "transitions": whole[:C].tolist(),
        "start_transitions": whole[C].tolist(),
        "end_transitions": whole[C + 1].tolist(),
    }


def with_crf(folder: Path, crf: dict[str, Any], **changes: Any) -> Path:
    return bundles.edit(bundles.bundle(folder), MANIFEST, **{"aggregation": "crf", "crf": crf, **changes})


def test_tables_of_zeros_change_no_span(tmp_path: Path) -> None:
    """The path is then each word's best label, over however many windows: `aggregation="first"`."""
    plain = Recognizer.load(bundles.bundle(tmp_path / "plain"), window=40)
    crf = Recognizer.load(with_crf(tmp_path / "crf", tables()), window=40)
    assert crf.report().aggregation == "crf"
    for note in texts():
        assert crf.recognize(note) == plain.recognize(note, aggregation="first")


def test_the_windows_of_a_note_share_one_path(tmp_path: Path) -> None:
    """The model looks at single tokens, so that windows of any size give the same spans, alone and in a row."""
    folder = with_crf(tmp_path / "crf", tables(np.random.default_rng(5)))
    notes = texts()
    wide = Recognizer.load(folder, window=508)
    expected = [wide.recognize(note) for note in notes]
    plain = Recognizer.load(bundles.bundle(tmp_path / "plain"))
    assert expected != [plain.recognize(note) for note in notes]
    for window in (2, 5, 30):
        recognizer = Recognizer.load(folder, window=window)
        assert [recognizer.recognize(note) for note in notes] == expected
        assert list(recognizer.pipe(notes)) == expected


def test_a_crf_is_not_passed_over(tmp_path: Path) -> None:
    """Another aggregation is refused, and so is `crf` for a model without one."""
    with pytest.raises(InputError, match="unknown aggregation 'first': expected one of crf"):
        Recognizer.load(with_crf(tmp_path / "crf", tables())).recognize("x", aggregation="first")
    plain = Recognizer.load(bundles.bundle(tmp_path / "plain"))
    with pytest.raises(InputError, match="unknown aggregation 'crf'"):
        plain.recognize("x", aggregation="crf")  # type: ignore[arg-type]


def test_tables_survive_writing_and_reading(tmp_path: Path) -> None:
    """To the last bit."""
    folder = with_crf(tmp_path / "crf", tables(np.random.default_rng(1)))
    bundle = open_bundle(folder)
    before = bundle.manifest()
    bundle.write_manifest()
    assert open_bundle(folder).manifest() == before
    assert before["crf"] == tables(np.random.default_rng(1))


ZEROS = tables()
BAD = {
    "a row too few": {**ZEROS, "transitions": ZEROS["transitions"][1:]},
    "a column too few": {**ZEROS, "transitions": [row[1:] for row in ZEROS["transitions"]]},
    "rows of different lengths": {**ZEROS, "transitions": [[0.0], *ZEROS["transitions"][1:]]},
    "a flat list": {**ZEROS, "transitions": [0.0] * C * C},
    "deeper lists": {**ZEROS, "transitions": [[[0.0] * C] * C]},
    "text": {**ZEROS, "start_transitions": ["0"] * C},
    "true": {**ZEROS, "start_transitions": [True] * C},
    "nothing": {**ZEROS, "end_transitions": []},
    "null": {**ZEROS, "end_transitions": [None] * C},
    "an integer beyond every float": {**ZEROS, "end_transitions": [10**400] * C},
    "a number beyond float32": {**ZEROS, "end_transitions": [1e300] * C},
    "one missing": {name: ZEROS[name] for name in ("transitions", "start_transitions")},
    "a number in place of a list": {**ZEROS, "transitions": 0},
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables_are_refused(tmp_path: Path, name: str) -> None:
    """In one line that says what the manifest should hold."""
    with pytest.raises(BundleError, match=r"transitions|crf does not hold finite numbers"):
        open_bundle(with_crf(tmp_path / "crf", BAD[name]))


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, number: float) -> None:
    """JSON has none, and a manifest that Python wrote might."""
    with pytest.raises(BundleError, match=r"NaN|Infinity"):
        open_bundle(with_crf(tmp_path / "crf", {**ZEROS, "end_transitions": [number] * C}))


def test_tables_and_aggregation_belong_together(tmp_path: Path) -> None:
    """Neither is read without the other."""
    with pytest.raises(BundleError, match="unknown aggregation 'first': expected crf"):
        open_bundle(with_crf(tmp_path / "a", ZEROS, aggregation="first"))
    folder = bundles.edit(bundles.bundle(tmp_path / "b"), MANIFEST, aggregation="crf")
    with pytest.raises(BundleError, match="unknown aggregation 'crf'"):
        open_bundle(folder)
