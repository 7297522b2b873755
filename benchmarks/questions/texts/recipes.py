"""How the classifiers of the benchmark are trained, each by one command that anybody can repeat.

    python -m benchmarks.questions.texts.recipes CORPORA OUT [NAME ...]        about 10 to 40 minutes each on one core

CORPORA holds `classify/`, `pairs/` and `icd/`, in the JSONL of `clinspan-export finetune`. Everything is chosen on dev.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clinspan_export.cli.main import main as clinspan_export


@dataclass(frozen=True, slots=True)
class Recipe:
    """Texts of a corpus, `FOLDER/NAME_train.jsonl` and so on, the field of their labels, and options of the training."""

    data: str
    field: str
    epochs: int
    options: tuple[str, ...] = ()
    learning_rate: float = 2e-4


# The same epochs and the same rate hold for the models that are trained the usual way. Only rqe has been measured: after two epochs
# codiesp, trained either way, and pubmedqa had learned nothing yet but how common each label is, nor had phee after one.
RECIPES = {
    "phee": Recipe("classify/phee", "label", 3, ("--class-weights",)),
    "rqe": Recipe("pairs/rqe", "label", 1, ("--window", "254")),
    "pubmedqa": Recipe("pairs/pubmedqa", "label", 8, ("--window", "254")),
    "codiesp": Recipe(
        "icd/codiesp_en", "categories", 15, ("--multi-label", "--window", "254", "--merge", "max"), 4e-4
    ),
}


def command(name: str, corpora: Path, out: Path) -> list[str]:
    """The arguments of `clinspan-export` that train the model of a name."""
    recipe = RECIPES[name]
    return [
        "finetune", f"{corpora / recipe.data}_train.jsonl", "--dev", f"{corpora / recipe.data}_dev.jsonl",
        "--label-field", recipe.field, "--epochs", str(recipe.epochs), "--learning-rate", str(recipe.learning_rate),
        "--out", str(out / name), "--threads", "1", *recipe.options,
    ]  # fmt: skip


def parse(arguments: Sequence[str], program: str, about: str | None) -> argparse.Namespace:
    """Read the command line of a program that trains the models of the recipes: `corpora`, `out` and `names`."""
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECIPES))
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Train the models that are named, or all, one after the other."""
    options = parse(arguments, "python -m benchmarks.questions.texts.recipes", __doc__)
    return max(
        clinspan_export(command(name, options.corpora, options.out)) for name in options.names or RECIPES
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
