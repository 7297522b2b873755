"""Label names of a model -> what each means: which entity, and which place in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from clinspan.errors import BundleError

SCHEMES = ("BIO", "BIOES", "BILOU", "IO")

# Names under which models in the wild file "no entity", best first; compared without case.
_OUTSIDE_NAMES = ("o", "out", "outside", "none", "null", "label_0", "0", "")

_PREFIXED = re.compile(r"([BIESLU])[-_](.+)", re.DOTALL)
_PREFIXES = {"BIO": set("BI"), "BIOES": set("BIES"), "BILOU": set("BILU")}


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels of a model, in the order of its logits, and how to read them.

    Attributes:
        names: the model's own names, index = column of the logits.
        scheme: one of `SCHEMES`; `IO` means that names carry no position prefix.
        outside: the name that stands for "no entity".
        rename: entity as the model names it -> name to show instead.
    """

    names: tuple[str, ...]
    scheme: str
    outside: str
    rename: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        _check(self)

    def place(self, name: str) -> tuple[str, str]:
        """Split a label into its position prefix and its entity.

        Returns:
            `("", "")` for the outside label, `("I", name)` where the scheme has no prefixes.

        >>> detect(["O", "B-PROBLEM", "I-PROBLEM"]).place("B-PROBLEM")
        ('B', 'PROBLEM')
        """
        prefix, entity = _split(name, self)
        return prefix, self.rename.get(entity, entity)

    @property
    def entities(self) -> tuple[str, ...]:
        """Entity names as spans carry them, in order of first appearance, without the outside label."""
        return tuple(dict.fromkeys(entity for _, entity in map(self.place, self.names) if entity))


def detect(
    names: Sequence[str],
    *,
    scheme: str | None = None,
    outside: str | None = None,
    rename: Mapping[str, str] | None = None,
) -> LabelSet:
    """Find out how a model's label names are to be read.

    Args:
        names: label names in the order of the logits.
        scheme: one of `SCHEMES`, where the caller knows better.
        outside: the outside label, where the caller knows better.
        rename: entity name -> name to show instead.

    Raises:
        BundleError: no outside label can be told, or what was given does not fit the names.

    >>> detect(["None", "['Virus']", "['Eukaryote']"]).scheme
    'IO'
    """
    if outside is None:
        outside = _find_outside(names)
    if scheme is None:
        scheme = _find_scheme([name for name in names if name != outside])
    return LabelSet(tuple(names), scheme, outside, MappingProxyType(dict(rename or {})))


def _find_outside(names: Sequence[str]) -> str:
    for candidate in _OUTSIDE_NAMES:
        for name in names:
            if name.lower() == candidate:
                return name
    raise BundleError(
        f"none of the {len(names)} labels is a known name for 'no entity' (O, OUT, NONE, LABEL_0 ...): "
        "name the outside label explicitly"
    )


def _find_scheme(inside: Sequence[str]) -> str:
    """The scheme of all names, or of most where some entity has both a B and an I label.

    The second is how older BERT checkpoints look that kept labels such as "X" and "[CLS]".
    """
    matches = [match for match in map(_PREFIXED.fullmatch, inside) if match]
    entities = {letter: {match[2] for match in matches if match[1] == letter} for letter in "BI"}
    if not matches or (len(matches) < len(inside) and not entities["B"] & entities["I"]):
        return "IO"
    used = {match[1] for match in matches}
    return next((scheme for scheme, prefixes in _PREFIXES.items() if used <= prefixes), "IO")


def _check(labels: LabelSet) -> None:
    if labels.scheme not in SCHEMES:
        raise BundleError(f"unknown label scheme {labels.scheme!r}: expected one of {', '.join(SCHEMES)}")
    if len(set(labels.names)) != len(labels.names):
        raise BundleError("label names are not unique")
    if len(labels.names) < 2:
        raise BundleError(f"{len(labels.names)} labels: expected an outside label and at least one entity")
    if labels.outside not in labels.names:
        raise BundleError(f"outside label {labels.outside!r} is not among the model's labels")
    places = [_split(name, labels) for name in labels.names if name != labels.outside]
    for prefix, entity in places:
        if labels.scheme != "IO" and prefix not in _PREFIXES[labels.scheme]:
            raise BundleError(f"label '{prefix}-{entity}' does not fit the scheme {labels.scheme}")
    entities = {entity for _, entity in places}
    unknown = sorted(set(labels.rename) - entities)
    if unknown:
        raise BundleError(f"cannot rename {unknown[0]!r}: the model has no such entity")
    if "" in {labels.rename.get(entity, entity) for entity in entities}:
        raise BundleError("an entity has no name: neither a label nor a renaming may be empty")
    # Two entities shown under one name would be joined where they touch.
    if len({labels.rename.get(entity, entity) for entity in entities}) != len(entities):
        raise BundleError("the renaming gives two entities the same name")


def _split(name: str, labels: LabelSet) -> tuple[str, str]:
    if name == labels.outside:
        return "", ""
    if labels.scheme == "IO":
        return "I", name
    match = _PREFIXED.fullmatch(name)
    # A label without a prefix among others that have one goes on, as an I does.
    return (match[1], match[2]) if match else ("I", name)
