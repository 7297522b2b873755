"""int8 on a processor whose 8-bit sums overflow answers a little otherwise, and says so once."""

from __future__ import annotations

import logging
import platform
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support import bundles

from clinspan import Recognizer
from clinspan.bundle import loading
from clinspan.bundle.manifest import open_bundle
from clinspan.engine import session
from clinspan.engine.session import loses_products

CPUINFO = Path("/proc/cpuinfo")


@pytest.fixture
def without_vnni(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor whose sums overflow, on which nothing was loaded yet."""
    monkeypatch.setattr(loading, "loses_products", lambda: True)
    loading._warn_without_vnni.cache_clear()


def test_the_kernel_is_asked_and_says_what_the_processor_says() -> None:
    """On x86-64 Linux the flags tell the same; elsewhere no sum of ours overflows."""
    if platform.machine() != "x86_64" or not CPUINFO.is_file():
        assert not loses_products()
        return
    line = next(line for line in CPUINFO.read_text().splitlines() if line.startswith("flags"))
    assert loses_products() == {"avx512_vnni", "avx_vnni"}.isdisjoint(line.split())


def test_a_sum_that_is_too_small_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that cuts a sum at 16 bits gives another number than the one that is right."""
    smaller = session._PRODUCTS_MODEL.replace(b"\x7f" * 32, b"\x40" * 32)
    monkeypatch.setattr(session, "_PRODUCTS_MODEL", smaller)
    assert loses_products()


def test_int8_warns_once_in_a_process(without_vnni: None, caplog: pytest.LogCaptureFixture) -> None:
    """However often a model is loaded; the line says what helps."""
    with caplog.at_level(logging.WARNING, "clinspan"):
        for _ in range(2):
            Recognizer.load(threads=1).close()
    (record,) = caplog.records
    assert "VNNI" in record.getMessage()
    assert "--reduced-range" in record.getMessage()


def test_what_cannot_overflow_does_not_warn(
    without_vnni: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither an int8 model in reduced range, nor one in fp32."""
    reduced = Path(shutil.copytree(loading.STARTER, tmp_path / "reduced"))
    replace(open_bundle(reduced), reduced_range=True).write_manifest()
    with caplog.at_level(logging.WARNING, "clinspan"):
        assert Recognizer.load(reduced, threads=1).report().precision == "int8"
        assert Recognizer.load(bundles.bundle(tmp_path / "bundle"), threads=1).report().precision == "fp32"
    assert not caplog.records


def test_a_processor_with_vnni_is_silent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is said where nothing overflows."""
    monkeypatch.setattr(loading, "loses_products", lambda: False)
    loading._warn_without_vnni.cache_clear()
    with caplog.at_level(logging.WARNING, "clinspan"):
        Recognizer.load(threads=1).close()
    assert not caplog.records
