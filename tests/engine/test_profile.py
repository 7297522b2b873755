"""A profile holds what bench writes, and nothing that could do harm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clinspan import InputError
from clinspan.engine.profile import read_profile
from clinspan.extract.best_settings import settings


@pytest.mark.parametrize(
    "content",
    [
        {"session_options": {"optimized_model_filepath": "/tmp/x"}},
        {"session_options": {"enable_profiling": True}},
        {"session_options": {"session.load_model_format": "ORT"}},
        {"session_options": {"intra_op_num_threads": 10**9}},
        {"session_options": {"intra_op_num_threads": "2"}},
        {"session_options": {"enable_cpu_mem_arena": "yes"}},
        {"session_options": ["x"]},
        {"threads": 10**9},
        {"threads": 0},
        {"threads": True},
        {"device": "cuda"},
    ],
    ids=str,
)
def test_a_profile_that_bench_did_not_write_is_refused(content: dict[str, object], tmp_path: Path) -> None:
    """Onnxruntime has settings that write files and load libraries."""
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"profile\.json"):
        read_profile(path)


def test_every_setting_of_bench_may_be_saved(tmp_path: Path) -> None:
    """As it is written, so it is read."""
    for options in settings(4).values():
        path = tmp_path / "profile.json"
        path.write_text(json.dumps(options))
        assert read_profile(path) == options
