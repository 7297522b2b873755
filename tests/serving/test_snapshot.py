"""Before SnapStart keeps a function's memory, a note of ours was answered in it."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

import pytest

from clinspan.serving import Service
from clinspan.serving.snapshot import warm_before_snapshot

SNAP = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}


@pytest.fixture
def service() -> Service:
    return Service.load({"CLINSPAN_THREADS": "1"})


def cold(service: Service) -> bool:
    return bool(service.answer(lambda: {"text": "She has pneumonia."}).body["timings"]["cold"])


def test_the_runtime_calls_the_hook_before_the_snapshot(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And not before: registering is all that happens while the function is loaded."""
    hooks: list[Any] = []
    runtime: Any = ModuleType("snapshot_restore_py")  # as Lambda's runtime has it
    runtime.register_before_snapshot = lambda call, *given: hooks.append((call, given))
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", runtime)
    assert warm_before_snapshot(service, SNAP)
    assert "warmed_up" not in capsys.readouterr().out
    ((call, given),) = hooks
    call(*given)
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["event"], last["status"]) == ("warmed_up", 200)
    assert not cold(service)


def test_without_hooks_it_warms_up_at_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime of one's own has no such module."""
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)
    assert warm_before_snapshot(service, SNAP)
    assert not cold(service)


def test_any_other_start_does_nothing_more(service: Service) -> None:
    """A cold start as it was."""
    assert not warm_before_snapshot(service, {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"})
    assert cold(service)


@pytest.mark.filterwarnings("ignore")
def test_the_real_hooks_take_ours(service: Service) -> None:
    """As awslambdaric, which brings them, finds them."""
    pytest.importorskip("awslambdaric")
    import snapshot_restore_py

    hooks = snapshot_restore_py.get_before_snapshot()
    before = len(hooks)
    assert warm_before_snapshot(service, SNAP)
    call, given, named = hooks.pop()
    assert len(hooks) == before
    call(*given, **named)
    assert not cold(service)
