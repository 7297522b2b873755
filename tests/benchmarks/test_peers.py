"""Every variant can be loaded by name, and our windows around other logits give our spans."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import pytest

from benchmarks.peers import CORE, FLOOR, OURS, PEERS, VARIANTS, load, ours
from benchmarks.peers.our_windows import in_our_windows
from benchmarks.run.harness import ROOT
from clinspan.bundle.loading import STARTER
from clinspan.pipeline import Ids, Logits


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_names_a_function_and_options_that_it_takes(variant: str) -> None:
    """Whether or not the library that it loads is installed."""
    module, name, options = VARIANTS[variant]
    tree = ast.parse((ROOT / f"benchmarks/peers/{module}.py").read_text(encoding="utf-8"))
    (function,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
    taken = {argument.arg for argument in function.args.kwonlyargs}
    assert {"bundle", "checkpoint", "threads", *options} <= taken


def test_those_asked_twice_are_among_all() -> None:
    """The floor is asked for cold starts alone."""
    assert set(CORE) < set(PEERS)
    assert FLOOR not in PEERS


@pytest.mark.parametrize("batch", [1, 4])
def test_our_logits_in_our_windows_give_our_spans(batch: int, notes: list[str]) -> None:
    """A peer without windows of its own is held back by nothing but its logits."""
    parts = ours.loaded(STARTER)

    def one_by_one(contents: Sequence[Ids]) -> list[Logits]:
        return [parts.model.logits(ids) for ids in contents]

    find = in_our_windows(parts.bundle, one_by_one, batch=batch)
    expected = load(OURS, bundle=str(STARTER), checkpoint="", threads=1)
    found = find(notes)
    assert any(found)
    assert found == expected(notes)
