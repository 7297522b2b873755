"""Compare the labels of a model with those of annotations, before a score of 0 does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from clinspan.documents.document import Document
from clinspan.errors import InputError


@dataclass(frozen=True, slots=True)
class LabelChoice:
    """The labels that are scored, and what somebody should know about them.

    Attributes:
        scored: the labels asked for; None for all that are annotated.
        warnings: one line for each label that only one side has.
    """

    scored: tuple[str, ...] | None
    warnings: tuple[str, ...]


def rename_gold(documents: Iterable[Document], names: Mapping[str, str]) -> list[Document]:
    """Give labels of annotations other names.

    Raises:
        InputError: no annotation has such a label.
    """
    if not names:
        return list(documents)
    renamed, used = list[Document](), set[str]()
    for document in documents:
        used.update(entity.label for entity in document.entities)
        entities = tuple(replace(e, label=names.get(e.label, e.label)) for e in document.entities)
        labels = document.labels and frozenset(names.get(label, label) for label in document.labels)
        renamed.append(replace(document, entities=entities, labels=labels))
    for label in names:
        if label not in used:
            raise InputError(
                f"--map-gold {label}={names[label]}: no annotation has the label {label}{_like(label, used)}"
            )
    return renamed


def choose_labels(
    gold: Sequence[Document],
    model: Sequence[str],
    *,
    rename: Mapping[str, str],
    wanted: Sequence[str] | None = None,
) -> LabelChoice:
    """Check that a model's labels and those of annotations meet.

    Args:
        gold: the annotated documents.
        model: the labels that the model finds.
        rename: names that the annotations give to labels of the model.
        wanted: labels to score; None for all that are annotated.

    Raises:
        InputError: they have no label in common, a renaming is of a label that the model has not, or a wanted label is on
            neither side.
    """
    annotated = {entity.label for document in gold for entity in document.entities}
    for label, name in rename.items():
        if label not in model:
            raise InputError(f"--map {label}={name}: the model has no label {label}{_like(label, model)}")
    found = {rename.get(label, label) for label in model}
    for label in () if wanted is None else wanted:
        if label not in annotated and label not in found:
            raise InputError(
                f"--label {label}: neither the annotations nor the model have it{_like(label, annotated | found)}"
            )
    if not annotated and wanted is None:
        raise InputError(
            "no annotation in any document: nothing to score against (--label NAME scores false alarms alone)"
        )
    asked = annotated if wanted is None else annotated & set(wanted)
    if asked and not asked & found:
        raise InputError(
            f"the annotations have the labels {_listed(asked)}, and the model has {_listed(found)}: none in common; "
            f"{_way_out(asked, found)}"
        )
    warnings = [
        f"--map {label}={name}: no annotation has the label {name}{_like(name, annotated)}"
        for label, name in rename.items()
        if name not in annotated
    ]
    warnings += [
        f"the model cannot find {label}, which is annotated{_like(label, found)}: its recall is 0"
        for label in sorted(asked - found)
    ]
    warnings += [
        f"--label {label}: no annotation has it, so that whatever is found is a false alarm{_like(label, annotated)}"
        for label in dict.fromkeys(() if wanted is None else wanted)
        if label not in annotated
    ]
    return LabelChoice(None if wanted is None else tuple(dict.fromkeys(wanted)), tuple(warnings))


def _way_out(asked: Iterable[str], found: Iterable[str]) -> str:
    """Options that give both sides the same names."""
    plain = {_plain(label): label for label in found}
    pairs = [
        f"--map-gold {label}={plain[_plain(label)]}" for label in sorted(asked) if _plain(label) in plain
    ]
    if pairs:
        return f"they differ in case or separators alone: {' '.join(pairs)}"
    return "--map FOUND=ANNOTATED renames the model's, --map-gold ANNOTATED=NAME those of the annotations"


def _like(label: str, others: Iterable[str]) -> str:
    """Say which other label differs in case and separators alone, or which there are."""
    others = sorted(others)
    plain = _plain(label)
    like = [other for other in others if other != label and _plain(other) == plain]
    return f" (but {like[0]})" if like else f" (there are {_listed(others)})" if others else ""


def _plain(label: str) -> str:
    return "".join(char for char in label.casefold() if char.isalnum())


def _listed(labels: Iterable[str]) -> str:
    ordered = sorted(labels)
    more = f" and {len(ordered) - 8} more" if len(ordered) > 8 else ""
    return ", ".join(ordered[:8]) + more
