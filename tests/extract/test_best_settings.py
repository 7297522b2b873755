"""`clinspan bench`: times a bundle and recommends settings that change no answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.tiny import text_bundles

from clinspan import InputError, LoadOptions, Recognizer
from clinspan.cli.main import main
from clinspan.extract.best_settings import NOTE, Speed, best, settings
from clinspan.extract.models.by_task import load_any
from clinspan.text.merge import Scoring


def timing(name: str, throughput: float, message: float = 1.0) -> Speed:
    return Speed(name, {}, 0.1, message, 1.0, throughput)


def test_every_setting_gives_the_same_answer_to_the_bit() -> None:
    """The settings that bench recommends change only the time."""
    answers = [
        [recognizer.recognize(NOTE), recognizer.recognize("She has pneumonia.")]
        for options in settings(2).values()
        for recognizer in [Recognizer.load(options=LoadOptions(**options))]
    ]
    assert all(answer == answers[0] for answer in answers)


def test_the_default_stays_unless_another_is_clearly_faster() -> None:
    """Less than 3 % is noise; more is not; milliseconds count downwards."""
    assert best([timing("default", 100), timing("other", 102)], by="throughput").name == "default"
    assert best([timing("default", 100), timing("other", 110)], by="throughput").name == "other"
    assert best([timing("default", 1, 10), timing("other", 1, 8)], by="message").name == "other"


def test_a_saved_profile_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints a row a setting, and what it writes is what load takes."""
    profile = tmp_path / "profile.json"
    assert main(["bench", "--seconds", "1", "--save", str(profile)]) == 0
    out = capsys.readouterr().out
    assert "default" in out
    assert "best by throughput" in out
    assert Recognizer.load(options=LoadOptions(profile=profile)).recognize("She has pneumonia.")


@pytest.mark.parametrize("kind", ["labels", "pairs", "vectors"])
def test_models_of_every_task_are_timed(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Classifiers, those of pairs too, and embedders: a row a setting, and a profile that loads."""
    folder, profile = tmp_path / "b", tmp_path / "profile.json"
    if kind == "vectors":
        text_bundles.embedder(folder)
    else:
        text_bundles.classifier(folder, Scoring(text_bundles.LABELS, pairs=kind == "pairs"))
    assert main(["bench", "--model", str(folder), "--seconds", "1", "--save", str(profile)]) == 0
    assert "best by throughput" in capsys.readouterr().out
    assert load_any(folder, LoadOptions(profile=profile)).report().model == "tiny"


def test_what_is_given_wins_over_the_profile(tmp_path: Path) -> None:
    """The profile fills in; it does not overrule."""
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({"threads": 2, "session_options": {"intra_op_num_threads": 2}}))
    assert Recognizer.load(options=LoadOptions(profile=profile)).report().threads == 2
    assert Recognizer.load(threads=1, options=LoadOptions(profile=profile)).report().workers == 1


@pytest.mark.parametrize("content", ["[]", "{", '{"device": "cuda"}'], ids=["list", "broken", "unknown"])
def test_a_file_that_is_no_profile_is_refused(tmp_path: Path, content: str) -> None:
    """One clear line, not a setting that is silently left out."""
    profile = tmp_path / "profile.json"
    profile.write_text(content)
    with pytest.raises(InputError, match="profile"):
        Recognizer.load(options=LoadOptions(profile=profile))
