"""Label names and what they mean."""

from __future__ import annotations

import pytest

from clinspan import BundleError
from clinspan.text.labels import detect


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
    ],
    ids=["bio", "only-inside", "underscore", "bioes", "bilou", "unnamed", "plain"],
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
    ],
    ids=["no-outside", "twice", "alone", "wrong-outside", "scheme", "prefix", "rename", "collide"],
)
def test_labels_that_make_no_sense_are_refused(
    names: list[str], options: dict[str, object], message: str
) -> None:
    """The message says what is wrong."""
    with pytest.raises(BundleError, match=message):
        detect(names, **options)  # type: ignore[arg-type]
