"""Label names of a model -> what each means: which entity, and which place in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from clinspan.errors import BundleError

SCHEMES = ("BIO", "BIOES", "BILOU", "BMES", "IO")

# Names under which models in the wild file "no entity", best first; compared without case.
_OUTSIDE_NAMES = ("o", "out", "outside", "none", "null", "label_0", "0", "")

_LETTERS = {"BIO": "BI", "BIOES": "BIES", "BILOU": "BILU", "BMES": "BMES"}
_PREFIXED = re.compile(r"([BIESLUMbieslum])[-_](.+)", re.DOTALL)
_SUFFIXED = re.compile(r"(.+)[-_]([BIESLUMbieslum])", re.DOTALL)
_UNNAMED = re.compile(r"LABEL_[0-9]+", re.IGNORECASE)

# A position (B, I, ...) and an entity, which is empty where the labels are positions alone; None for a name that has
# no position.
_Split = Callable[[str], tuple[str, str] | None]


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels of a model, in the order of its logits, and how to read them.

    Attributes:
        names: the model's own names, index = column of the logits.
        scheme: one of `SCHEMES`; `IO` means that names carry no position.
        outside: the name that stands for "no entity".
        rename: entity as the model names it -> name to show instead. Labels that are positions alone
            (`B`, `I`) have the entity "", so that the name for it stands here.
    """

    names: tuple[str, ...]
    scheme: str
    outside: str
    rename: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    _split: _Split = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        inside = [name for name in self.names if name != self.outside]
        # A scheme that the caller names is taken at its word: prefixes, unless the names show something else.
        split = _unsplit if self.scheme == "IO" else _splitter(inside) or _prefixed
        object.__setattr__(self, "_split", split)
        _check(self)

    def place(self, name: str) -> tuple[str, str]:
        """Split a label into its position and its entity.

        Returns:
            `("", "")` for the outside label, `("I", name)` where the scheme has no positions; `M` is an `I`.

        >>> detect(["O", "B-PROBLEM", "I-PROBLEM"]).place("B-PROBLEM")
        ('B', 'PROBLEM')
        >>> detect(["O", "DRUG-B", "DRUG-I"]).place("DRUG-I")
        ('I', 'DRUG')
        """
        if name == self.outside:
            return "", ""
        position, entity = self._parts(name)
        return "I" if position == "M" else position, self.rename.get(entity, entity)

    def _parts(self, name: str) -> tuple[str, str]:
        """Position and entity as the model names it; a label without a position goes on, as an I does."""
        return self._split(name) or ("I", name)

    @property
    def entities(self) -> tuple[str, ...]:
        """Entity names as spans carry them, in order of first appearance, without the outside label."""
        return tuple(dict.fromkeys(entity for _, entity in map(self.place, self.names) if entity))


def detect(
    names: Sequence[str],
    *,
    scheme: str | None = None,
    outside: str | None = None,
    entity: str | None = None,
    rename: Mapping[str, str] | None = None,
) -> LabelSet:
    """Find out how a model's label names are to be read.

    Args:
        names: label names in the order of the logits; whitespace around them is dropped.
        scheme: one of `SCHEMES`, where the caller knows better.
        outside: the outside label, where the caller knows better.
        entity: name of the one entity of labels that are positions alone, such as `B`, `I` and `O`.
        rename: entity name -> name to show instead.

    Raises:
        BundleError: no outside label can be told, positions lack the name of their entity, or what was given does
            not fit the names.

    >>> detect(["None", "['Virus']", "['Eukaryote']"]).scheme
    'IO'
    >>> detect(["O", "B", "I"], entity="DISEASE").entities
    ('DISEASE',)
    """
    names = tuple(name.strip() for name in names)
    outside = _find_outside(names) if outside is None else outside.strip()
    if scheme is None:
        scheme = _find_scheme([name for name in names if name != outside])
    renamed = dict(rename or {})
    if entity is not None:
        if not _are_positions([name for name in names if name != outside]):
            raise BundleError(
                f"the entity {entity!r} is given, but the labels name theirs: rename one instead"
            )
        renamed[""] = entity
    return LabelSet(names, scheme, outside, MappingProxyType(renamed))


def are_unnamed(names: Sequence[str]) -> bool:
    """Tell whether all names are the stand-ins LABEL_0, LABEL_1, ... of a model whose labels nobody named."""
    return bool(names) and all(_UNNAMED.fullmatch(name.strip()) for name in names)


def _find_outside(names: Sequence[str]) -> str:
    for candidate in _OUTSIDE_NAMES:
        for name in names:
            if name.lower() == candidate:
                return name
    raise BundleError(
        f"none of the {len(names)} labels is a known name for 'no entity' (O, OUT, NONE, LABEL_0 ...): "
        "name the outside label explicitly (--outside NAME; from Python, LoadOptions(outside=...) for a folder and "
        "Overrides(outside=...) for an export)"
    )


def _find_scheme(inside: Sequence[str]) -> str:
    """The scheme of all names, or of most where some entity has both a beginning and an inside.

    The second is how older BERT checkpoints look that kept labels such as "X" and "[CLS]".
    """
    split = _splitter(inside)
    if split is None:
        return "IO"
    used = {found[0] for found in map(split, inside) if found is not None}
    return next((scheme for scheme, letters in _LETTERS.items() if used <= set(letters)), "IO")


def _splitter(inside: Sequence[str]) -> _Split | None:
    """How these names carry positions; None where they carry none.

    Upper-case prefixes are believed where all names have one. Anything else that could be part of a name, such as
    lower-case prefixes (`e-coli`) and suffixes (`Hepatitis-B`), needs an entity with a beginning and an inside.
    """
    if _are_positions(inside):
        return _position_alone
    prefixed = [_prefixed(name) for name in inside]
    upper = [name[0] for name, found in zip(inside, prefixed, strict=True) if found]
    if prefixed and all(prefixed) and all(letter.isupper() for letter in upper):
        return _prefixed
    for split in (_prefixed, _suffixed):
        found = [place for place in map(split, inside) if place is not None]
        begun = {entity for letter, entity in found if letter == "B"}
        if begun & {entity for letter, entity in found if letter in "IM"}:
            return split
    if prefixed and all(prefixed) and {place[0] for place in prefixed if place} <= {"B", "I"}:
        return _prefixed
    return None


def _are_positions(inside: Sequence[str]) -> bool:
    letters = {name.upper() for name in inside}
    return (
        len(letters) > 1
        and "B" in letters
        and bool(letters & {"I", "M", "E", "L"})
        and any(letters <= set(known) for known in _LETTERS.values())
    )


def _unsplit(name: str) -> tuple[str, str] | None:
    return "I", name


def _position_alone(name: str) -> tuple[str, str] | None:
    return (name.upper(), "") if len(name) == 1 and name.upper() in "BIESLUM" else None


def _prefixed(name: str) -> tuple[str, str] | None:
    match = _PREFIXED.fullmatch(name)
    return (match[1].upper(), match[2]) if match else None


def _suffixed(name: str) -> tuple[str, str] | None:
    match = _SUFFIXED.fullmatch(name)
    return (match[2].upper(), match[1]) if match else None


def _check(labels: LabelSet) -> None:
    if labels.scheme not in SCHEMES:
        raise BundleError(f"unknown label scheme {labels.scheme!r}: expected one of {', '.join(SCHEMES)}")
    if len(set(labels.names)) != len(labels.names):
        raise BundleError("label names are not unique")
    if len(labels.names) < 2:
        raise BundleError(f"{len(labels.names)} labels: expected an outside label and at least one entity")
    if labels.outside not in labels.names:
        raise BundleError(f"outside label {labels.outside!r} is not among the model's labels")
    places = {name: labels._parts(name) for name in labels.names if name != labels.outside}
    for name, (position, _) in places.items():
        if labels.scheme != "IO" and position not in _LETTERS[labels.scheme]:
            raise BundleError(f"label {name!r} does not fit the scheme {labels.scheme}")
    entities = {entity for _, entity in places.values()}
    if "" in entities and not labels.rename.get(""):
        raise BundleError(
            f"the labels {', '.join(places)} are positions without an entity: name it (--entity NAME; from Python, "
            "LoadOptions(entity=...) for a folder and Overrides(entity=...) for an export)"
        )
    unknown = sorted(set(labels.rename) - entities)
    if unknown:
        raise BundleError(f"cannot rename {unknown[0]!r}: the model has no such entity")
    if "" in {labels.rename.get(entity, entity) for entity in entities}:
        raise BundleError("an entity has no name: neither a label nor a renaming may be empty")
    # Two entities shown under one name would be joined where they touch.
    if len({labels.rename.get(entity, entity) for entity in entities}) != len(entities):
        raise BundleError("the renaming gives two entities the same name")
