"""The command in this process."""

from __future__ import annotations

import pytest
from tests.support.extract_runs import (
    SECRET,
    Run,
)

from clinspan import Recognizer
from clinspan.cli.main import main


@pytest.fixture
def extract(starter: Recognizer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `clinspan extract` in this process; gives its exit code and what it said on stderr."""
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: starter)

    def run(*arguments: object) -> tuple[int, str]:
        code = main(["extract", *map(str, arguments)])
        said = capsys.readouterr().err
        assert SECRET not in said
        return code, said

    return run
