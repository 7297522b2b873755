"""The names that users may import."""

from __future__ import annotations

import clinspan


def test_all_is_sorted_and_every_name_is_there() -> None:
    """`__all__` is the public interface and holds what it promises."""
    assert list(clinspan.__all__) == sorted(clinspan.__all__, key=lambda n: (not n[0].isupper(), n))
    assert all(hasattr(clinspan, name) for name in clinspan.__all__)


def test_no_other_name_is_public() -> None:
    """Submodules apart, nothing leaks."""
    import types

    leaked = {
        name
        for name, value in vars(clinspan).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType) and name != "annotations"
    }
    assert leaked <= set(clinspan.__all__)


def test_errors_form_one_tree() -> None:
    """One except clause catches all that clinspan raises on purpose."""
    for name in clinspan.__all__:
        if name.endswith("Error"):
            assert issubclass(getattr(clinspan, name), clinspan.ClinspanError)
