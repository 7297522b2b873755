"""Drug products as a prescriber would write them, from the Drugs@FDA product table (public domain).

Source: https://www.fda.gov/drugs/drug-approvals-and-databases/drugsfda-data-files, `Products.txt`.
"""

from __future__ import annotations

import csv
import random
import re
from dataclasses import dataclass
from pathlib import Path

_SALTS = re.compile(
    r"\s+(HYDROCHLORIDE|SODIUM|POTASSIUM|SULFATE|BESYLATE|MALEATE|TARTRATE|FUMARATE|MESYLATE|PHOSPHATE|ACETATE|"
    r"CITRATE|SUCCINATE|HYCLATE|MONOHYDRATE|DIHYDRATE|CALCIUM|BITARTRATE|HYDROBROMIDE|DIHYDROCHLORIDE|DISODIUM)\b.*"
)
_FORMS = {
    "TABLET": ("tablet", "tablets", "tab", "tabs", "Tab", "tablet(s)", "pill", "pills"),
    "TABLET, EXTENDED RELEASE": (
        "extended-release tablet",
        "ER tablet",
        "XR tab",
        "extended release tablets",
    ),
    "TABLET, DELAYED RELEASE": ("delayed-release tablet", "EC tablet", "enteric-coated tablets", "DR tab"),
    "TABLET, CHEWABLE": ("chewable tablet", "chewable tablets", "chewable", "chew tab"),
    "TABLET, ORALLY DISINTEGRATING": ("orally disintegrating tablet", "ODT", "disintegrating tablets"),
    "CAPSULE": ("capsule", "capsules", "cap", "caps", "gelcap"),
    "CAPSULE, EXTENDED RELEASE": ("extended-release capsule", "ER capsules", "XR capsule", "SR capsule"),
    "CAPSULE, DELAYED RELEASE": ("delayed-release capsule", "DR capsule", "delayed release capsules"),
    "INJECTABLE": ("injection", "vial", "solution for injection", "prefilled syringe", "pen", "injectable"),
    "SOLUTION": ("solution", "oral solution", "soln", "liquid", "oral liquid"),
    "SUSPENSION": ("suspension", "oral suspension", "susp", "susp."),
    "FOR SUSPENSION": ("powder for suspension", "suspension", "oral suspension", "susp"),
    "SYRUP": ("syrup", "syrp", "liquid"),
    "ELIXIR": ("elixir", "liquid"),
    "CREAM": ("cream", "topical cream", "crm"),
    "OINTMENT": ("ointment", "oint", "topical ointment"),
    "LOTION": ("lotion",),
    "GEL": ("gel", "topical gel"),
    "SHAMPOO": ("shampoo",),
    "SOLUTION/DROPS": ("drops", "eye drops", "eyedrops", "gtts", "ophthalmic solution", "ophth soln"),
    "SPRAY, METERED": ("nasal spray", "spray"),
    "AEROSOL, METERED": ("inhaler", "HFA inhaler", "MDI", "metered-dose inhaler", "inhalers"),
    "POWDER;INHALATION": ("inhaler", "dry powder inhaler", "Diskus"),
    "SOLUTION;INHALATION": ("nebulizer solution", "nebs", "neb", "inhalation solution"),
    "SUPPOSITORY": ("suppository", "suppositories", "supp"),
    "FILM, EXTENDED RELEASE": ("patch", "patches", "transdermal patch"),
    "TROCHE/LOZENGE": ("lozenge", "lozenges", "troche"),
    "GUM, CHEWING": ("gum", "chewing gum"),
    "POWDER": ("powder", "packet", "packets"),
    "AEROSOL, FOAM": ("foam",),
}
_ODD = re.compile(r"[^A-Z0-9 .,'/-]")
_LIQUIDS = {"SOLUTION", "SUSPENSION", "FOR SUSPENSION", "SYRUP", "ELIXIR"}
_MASS = re.compile(r"^(?:EQ )?([\d.,]+) ?(MG|GM|MCG|UNITS|MEQ|%|IU|UGM)(?: BASE)?(?:/([\d.]*) ?(ML))?$")
_COMBINED = re.compile(r"^(?:EQ )?([\d.]+)MG(?: BASE)?;(?:EQ )?([\d.]+)MG(?: BASE)?$")


@dataclass(frozen=True, slots=True)
class Product:
    """One way a product may be written: names, amount, unit and volume of its strength, form words, kind (how it is taken)."""

    names: tuple[str, ...]
    strength: tuple[str, str, str]
    forms: tuple[str, ...]
    kind: str


def read_products(path: Path) -> list[Product]:
    """The products whose form and strength can be written in a note, one per row of the table.

    Args:
        path: the tab-separated table, with the columns Form, Strength, DrugName and ActiveIngredient.
    """
    with path.open(encoding="latin-1", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        products = [
            _product(row["Form"], row["Strength"], row["DrugName"], row["ActiveIngredient"]) for row in rows
        ]
    return [product for product in products if product]


def _product(form: str, strength: str, name: str, ingredient: str) -> Product | None:
    kind, _, route = (part.strip().upper() for part in form.partition(";"))
    words = _FORMS.get(f"{kind};{route}") or _FORMS.get(kind)
    amount = _strength(strength.split(" **")[0].split(" (")[0].strip().upper())
    names = tuple(dict.fromkeys([*_names(name), *_names(ingredient)]))
    if not words or not amount or not names:
        return None
    return Product(names, amount, words, _kind(kind, route))


def _strength(written: str) -> tuple[str, str, str] | None:
    if match := _MASS.match(written):
        unit = {"GM": "G", "UGM": "MCG"}.get(match[2], match[2])
        return match[1], unit, match[3] or "1" if match[4] else ""
    if match := _COMBINED.match(written):
        return f"{match[1]}/{match[2]}", "MG", ""
    return None


def _names(written: str) -> list[str]:
    parts = [part.strip() for part in written.upper().split(";")]
    if len(parts) > 3 or any(not part or len(part) > 32 or _ODD.search(part) for part in parts):
        return []
    short = [_SALTS.sub("", part) for part in parts]
    if len(parts) == 1:
        return [parts[0].replace(" AND ", "/"), short[0].replace(" AND ", "/")]
    return ["/".join(short), "-".join(short), " and ".join(short)]


def _kind(form: str, route: str) -> str:
    for sign, name in (
        ("OPHTHALMIC", "eye"), ("OTIC", "ear"), ("NASAL", "nose"), ("INHALATION", "inhaled"), ("TRANSDERMAL", "skin"),
        ("TOPICAL", "topical"), ("RECTAL", "rectal"), ("VAGINAL", "vaginal"), ("SUBLINGUAL", "sublingual"),
        ("SUBCUTANEOUS", "injected"), ("INTRAMUSCULAR", "injected"),
    ):  # fmt: skip
        if sign in route:
            return name
    if form == "INJECTABLE" or route.startswith(("IV", "INJ", "INTRAV")):
        return "injected"
    return "liquid" if form in _LIQUIDS else "solid"


def write_name(product: Product, rng: random.Random) -> str:
    """The product's brand or ingredient, in the case a note would have it in."""
    name = rng.choice(product.names)
    draw = rng.random()
    if draw < 0.45:
        return name.lower()
    # str.title would write "Co-Trimoxazole's" oddly; a capital at the start of each word is what notes have.
    capital = " ".join(word if len(word) < 3 else word[0] + word[1:].lower() for word in name.split(" "))
    return capital if draw < 0.95 else name


def write_strength(product: Product, rng: random.Random) -> str:
    """The product's strength in one of the spellings in use."""
    amount, unit, volume = product.strength
    if unit == "%":
        return amount + rng.choice(("%", " %", "%", "%"))
    unit = rng.choice(_UNITS.get(unit, (unit.lower(),)))
    gap = rng.choice((" ", " ", "")) if len(unit) < 5 else " "
    if "/" in amount:
        first, second = amount.split("/")
        each = f"{first}{gap}{unit}-{second}{gap}{unit}"
        return rng.choice((f"{first}-{second}{gap}{unit}", f"{amount}{gap}{unit}", each, amount))
    if not volume:
        return f"{amount}{gap}{unit}"
    millilitre = rng.choice(("mL", "ml", "ML", "ml"))
    return f"{amount}{gap}{unit}/{'' if volume == '1' else volume + gap}{millilitre}"


_UNITS = {
    "MG": ("mg",) * 12 + ("MG", "mgs", "milligrams", "mg."),
    "G": ("g", "g", "gm", "gram", "grams"),
    "MCG": ("mcg", "mcg", "µg", "μg", "micrograms"),
    "UNITS": ("units", "unit", "U"),
    "MEQ": ("mEq", "meq"),
    "IU": ("IU", "units"),
}
