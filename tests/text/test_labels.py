"""Label names and what they mean."""

from __future__ import annotations

import pytest

from clinspan import BundleError
from clinspan.text.labels import are_unnamed, detect


@pytest.mark.parametrize(
    ("names", "scheme", "outside"),
    [
        (["O", "B-DRUG", "I-DRUG"], "BIO", "O"),
        (["O", "I-DRUG"], "BIO", "O"),
        (["B_DRUG", "I_DRUG", "OUT"], "BIO", "OUT"),
        (["O", "B-X", "I-X", "E-X", "S-X"], "BIOES", "O"),
        (["O", "B-X", "I-X", "L-X", "U-X"], "BILOU", "O"),
        (["LABEL_0", "LABEL_1"], "IO", "LABEL_0"),
        (["None", "Virus", "Bacterium"], "IO", "None"),
        (["O", "B-X", "M-X", "E-X", "S-X"], "BMES", "O"),
        (["O", "DRUG-B", "DRUG-I", "TEST-B"], "BIO", "O"),
        (["DRUG_S", "DRUG_B", "DRUG_I", "DRUG_E", "O"], "BIOES", "O"),
        (["o", "b-drug", "i-drug"], "BIO", "o"),
        (["o", "i-drug", "i-test"], "BIO", "o"),
        (["O", "Hepatitis-B", "Vitamin-E"], "IO", "O"),
        (["O", "e-coli", "s-aureus"], "IO", "O"),
        (["O", "B-DRUG\n", " I-DRUG"], "BIO", "O"),
    ],
    ids=[
        "bio",
        "only-inside",
        "underscore",
        "bioes",
        "bilou",
        "unnamed",
        "plain",
        "bmes",
        "suffix",
        "suffix-bioes",
        "lower",
        "lower-inside",
        "names-like-suffixes",
        "names-like-prefixes",
        "line-end",
    ],
)
def test_scheme_and_outside_label_are_told_from_the_names(
    names: list[str], scheme: str, outside: str
) -> None:
    """The conventions of published checkpoints are recognized."""
    found = detect(names)
    assert (found.scheme, found.outside) == (scheme, outside)


def test_an_entity_keeps_all_hyphens_but_the_prefix() -> None:
    """Only the position prefix is cut off."""
    assert detect(["O", "B-DRUG-DOSE", "I-DRUG-DOSE"]).entities == ("DRUG-DOSE",)


def test_a_plain_name_with_a_hyphen_stays_whole() -> None:
    """Without prefixes a hyphen is part of the name."""
    assert detect(["O", "DRUG-DOSE", "TEST"]).entities == ("DRUG-DOSE", "TEST")


def test_a_few_labels_without_prefix_do_not_undo_the_scheme_of_the_rest() -> None:
    """Older BERT checkpoints carry labels such as X and [CLS] beside B- and I-."""
    labels = detect(["O", "B-DRUG", "I-DRUG", "X", "[CLS]"])
    assert labels.scheme == "BIO"
    assert labels.place("B-DRUG") == ("B", "DRUG")
    assert labels.place("X") == ("I", "X")


@pytest.mark.parametrize(
    "names",
    [["O", "B", "I"], ["o", "b", "i"], ["O", "B", "M", "E", "S"], ["B", "I", "L", "U", "O"]],
    ids=" ".join,
)
def test_positions_without_an_entity_need_its_name(names: list[str]) -> None:
    """B and I are never shown as entities: the error says what to give, and with it the labels are read."""
    with pytest.raises(BundleError, match="--entity NAME"):
        detect(names)
    labels = detect(names, entity="DISEASE")
    assert labels.entities == ("DISEASE",)
    outside = next(name for name in names if name in "Oo")
    assert labels.place(outside) == ("", "")
    assert {labels.place(name)[1] for name in names if name != outside} == {"DISEASE"}
    assert detect(labels.names, scheme=labels.scheme, outside=outside, rename=labels.rename) == labels


def test_entities_of_suffixes_and_lower_case_are_the_names_without_them() -> None:
    """DRUG-B begins DRUG; M goes on inside, and only the position is cut off."""
    assert detect(["O", "DRUG-B", "DRUG-I", "LAB-TEST-B"]).entities == ("DRUG", "LAB-TEST")
    assert detect(["o", "b-drug", "i-drug"]).place("b-drug") == ("B", "drug")
    assert detect(["O", "B-X", "M-X", "E-X", "S-X"]).place("M-X") == ("I", "X")
    assert detect(["O", "B-DRUG\n", "I-DRUG\n"]).entities == ("DRUG",)


def test_only_labels_that_nobody_named_are_unnamed() -> None:
    """LABEL_n are stand-ins; one real name among them shows that somebody named the labels."""
    assert are_unnamed(["LABEL_0", "LABEL_1"])
    assert not are_unnamed(["LABEL_0", "DRUG"])
    assert not are_unnamed([])


def test_what_the_caller_knows_wins_over_detection() -> None:
    """Scheme and outside label can be given."""
    found = detect(["B-cell", "I-cell", "rest"], scheme="IO", outside="rest")
    assert found.entities == ("B-cell", "I-cell")


def test_a_renamed_entity_shows_its_new_name() -> None:
    """Renaming changes what spans carry, not what the model's labels are."""
    labels = detect(["O", "B-chem", "I-chem"], rename={"chem": "DRUG"})
    assert labels.entities == ("DRUG",)
    assert labels.names == ("O", "B-chem", "I-chem")


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["B-X", "I-X"], {}, "no entity"),
        (["O", "O"], {}, "not unique"),
        (["O"], {}, "at least one entity"),
        (["O", "B-X"], {"outside": "N"}, "not among"),
        (["O", "B-X"], {"scheme": "XYZ"}, "unknown label scheme"),
        (["O", "E-X"], {"scheme": "BIO"}, "does not fit"),
        (["O", "B-X"], {"rename": {"Y": "Z"}}, "no such entity"),
        (["O", "B-X", "B-Y"], {"rename": {"Y": "X"}}, "same name"),
        (["O", "B", "I"], {"scheme": "BIO"}, "--entity NAME"),
        (["O", "B", "I"], {"rename": {"B": "X"}}, "--entity NAME"),
        (["O", "B-X", "I-X"], {"entity": "Y"}, "rename one instead"),
    ],
    ids=[
        "no-outside",
        "twice",
        "alone",
        "wrong-outside",
        "scheme",
        "prefix",
        "rename",
        "collide",
        "untyped-scheme",
        "untyped-rename",
        "entity-of-typed",
    ],
)
def test_labels_that_make_no_sense_are_refused(
    names: list[str], options: dict[str, object], message: str
) -> None:
    """The message says what is wrong."""
    with pytest.raises(BundleError, match=message):
        detect(names, **options)  # type: ignore[arg-type]
