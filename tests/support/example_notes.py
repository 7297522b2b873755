"""Notes that we wrote ourselves: the files of `examples/`, and sentences to make notes of any length from."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.txt"))
SENTENCE = "She has pneumonia and was given ceftriaxone. "
NOTE = "Metformin 500 mg twice daily, then insulin.\nNo chest pain; left knee swollen."


def texts() -> list[str]:
    """The example files as text, line ends and awkward characters as they are."""
    return [path.read_bytes().decode("utf-8") for path in EXAMPLES]
