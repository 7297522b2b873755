"""`clinspan bench`: times a bundle and recommends settings that change no answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.tiny import text_bundles

from clinspan import DeviceError, InferenceError, InputError, LoadOptions, Recognizer
from clinspan.cli import bench
from clinspan.cli.main import main
from clinspan.engine import session
from clinspan.engine.providers import Device
from clinspan.extract import best_settings
from clinspan.extract.best_settings import (
    NOTE,
    Clock,
    Speed,
    Timings,
    best,
    free_share,
    measure,
    settings,
    standing,
)
from clinspan.extract.models.by_task import load_any
from clinspan.text.merge import Scoring

IDLE = Clock(cpu=time.perf_counter)
BUSY = Clock(cpu=lambda: time.perf_counter() / 2)


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else runs, this process gets all the time of its cores."""
    monkeypatch.setattr(bench, "CLOCK", IDLE)


@pytest.fixture
def short(tmp_path: Path) -> list[str]:
    """Options of a bench that takes no longer than it must."""
    note = tmp_path / "note.txt"
    note.write_text("She has pneumonia.", encoding="utf-8")
    return ["bench", "--seconds", "0.1", "--notes", str(note)]


def timing(name: str, throughput: float, message: float = 1.0, spread: float = 0.0) -> Speed:
    spreads = {"throughput": spread, "message": spread, "note": 0.0}
    return Speed(name, {}, 0.1, message, 1.0, throughput, spreads)


def scripted(monkeypatch: pytest.MonkeyPatch, speed: Callable[[str, int], float]) -> Timings:
    """Measure with rounds that were made up: what each setting's throughput is in each round."""

    def time_one(tried: best_settings._Tried, notes: object, seconds: float, clock: Clock) -> None:
        done = len(tried.figures["note"])
        for figures in tried.figures.values():
            figures.append(speed(tried.name, done))

    monkeypatch.setattr(best_settings._Tried, "time", time_one)
    monkeypatch.setattr(best_settings, "available_cores", lambda: 1)
    return measure(None, seconds=600, clock=IDLE)


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


def test_what_lies_within_the_spread_is_a_tie() -> None:
    """However far apart the medians are; the default stays, and of two that tie for the fastest the first is taken."""
    assert standing(timing("other", 120, spread=25), timing("default", 100), by="throughput") == "tie"
    assert best([timing("default", 100, spread=25), timing("other", 120)], by="throughput").name == "default"
    three = [timing("default", 100), timing("first", 120, spread=5), timing("second", 124)]
    assert best(three, by="throughput").name == "first"
    assert standing(timing("other", 1, 12), timing("default", 1, 10), by="message") == "slower"


def test_rounds_end_when_the_ranking_is_stable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that never change need the fewest rounds, and the faster one is recommended."""
    found = scripted(monkeypatch, lambda name, done: 100.0 if name == "default" else 120.0)
    assert (found.rounds, found.stable) == (best_settings.FEWEST_ROUNDS, True)
    chosen = found.recommended(by="throughput")
    assert chosen is not None
    assert chosen.name == "no memory arena"


def test_a_late_change_of_the_ranking_costs_more_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that looked faster in the first two rounds alone is a tie in the end."""
    found = scripted(monkeypatch, lambda name, done: 150.0 if name != "default" and done < 2 else 100.0)
    assert best_settings.FEWEST_ROUNDS < found.rounds < best_settings.MOST_ROUNDS
    assert found.stable
    chosen = found.recommended(by="throughput")
    assert chosen is not None
    assert chosen.name == "default"


def test_a_ranking_that_never_settles_leaves_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of rounds ends it, and nothing that was fastest for a moment is recommended."""
    monkeypatch.setattr(best_settings, "_settled", lambda rankings: False)
    found = scripted(monkeypatch, lambda name, done: 100.0 if name == "default" else 120.0)
    assert (found.rounds, found.stable) == (best_settings.MOST_ROUNDS, False)
    chosen = found.recommended(by="throughput")
    assert chosen is not None
    assert chosen.name == "default"


def test_time_that_other_work_took_is_seen() -> None:
    """The share is processor time over wall time, and never above 1."""
    assert free_share(IDLE, cores=2) == 1.0
    assert free_share(BUSY, cores=2) == pytest.approx(0.5, rel=0.05)
    assert 0 < free_share(Clock(), cores=1) <= 1


def test_a_busy_machine_gets_no_recommendation(
    tmp_path: Path, short: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so, writes no profile, and that is not a failure."""
    monkeypatch.setattr(bench, "CLOCK", BUSY)
    profile = tmp_path / "profile.json"
    assert main([*short, "--save", str(profile)]) == 0
    out = capsys.readouterr().out
    assert "this machine is busy: its cores gave 50% of their time" in out
    assert f"{profile} is not written: the machine was busy" in out
    assert "best by" not in out
    assert not profile.exists()


def test_other_execution_providers_are_timed_and_never_saved(
    tmp_path: Path, short: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that runs has a row, even the fastest is not recommended, and those that do not run, or stop in a round, say why."""
    monkeypatch.setattr(bench, "CLOCK", IDLE)
    monkeypatch.setattr(best_settings, "available_kinds", lambda: ["cpu", "openvino", "cuda", "qnn"])

    def load_as_if(path: object, options: LoadOptions) -> object:
        if options.device == "cuda":
            raise DeviceError("there is no GPU")
        return load_any(None, options if options.device == "cpu" else LoadOptions())

    def time_one(tried: best_settings._Tried, notes: object, seconds: float, clock: Clock) -> None:
        if tried.name == "on qnn":
            raise InferenceError("it gave up")
        for figures in tried.figures.values():
            figures.append(900.0 if tried.name == "on openvino" else 100.0)

    monkeypatch.setattr(best_settings, "load_any", load_as_if)
    monkeypatch.setattr(best_settings._Tried, "time", time_one)
    profile = tmp_path / "profile.json"
    assert main([*short, "--save", str(profile)]) == 0
    out = capsys.readouterr().out
    assert "openvino is faster than the default on the CPU; its answers may differ in the last digits" in out
    assert "cuda does not run this model here: there is no GPU" in out
    assert "qnn does not run this model here: it gave up" in out
    assert "best by throughput: default" in out
    assert json.loads(profile.read_text()) == {}
    assert main([*short, "--by", "message"]) == 0
    assert "openvino loses against the default on the CPU" in capsys.readouterr().out


def test_the_kinds_are_those_of_the_installed_onnxruntime() -> None:
    """Cpu always, and none whose provider is missing."""
    kinds, installed = session.available_kinds(), session._onnxruntime().get_available_providers()
    assert "cpu" in kinds
    assert all(Device.parse(kind).provider in installed for kind in kinds)


@pytest.mark.usefixtures("idle")
def test_a_saved_profile_loads(tmp_path: Path, short: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints a row a setting, and what it writes is what load takes."""
    profile = tmp_path / "profile.json"
    assert main([*short, "--save", str(profile)]) == 0
    out = capsys.readouterr().out
    assert "default" in out
    assert "best by throughput" in out
    assert Recognizer.load(options=LoadOptions(profile=profile)).recognize("She has pneumonia.")


@pytest.mark.usefixtures("idle")
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
