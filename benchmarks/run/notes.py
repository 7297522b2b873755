"""Texts to read: a short message, the notes of a folder, and notes that are made up."""

from __future__ import annotations

from pathlib import Path

# This and the sentences below were written for this purpose and describe nobody.
SHORT = (
    "Patient presents with chest pain and shortness of breath for two days. ECG and troponin were ordered; "
    "aspirin 325 mg was given. No fever. Plan: admit to telemetry, serial troponins and an echo tomorrow."
)
_FINDINGS = (
    "Patient remains febrile overnight with a maximum temperature of 38.4 degrees.",
    "Blood cultures from admission grew Escherichia coli, sensitive to ceftriaxone.",
    "Creatinine improved from 1.9 to 1.4 mg/dL after intravenous fluids.",
    "Chest X-ray shows a resolving infiltrate in the right lower lobe.",
    "Metoprolol was increased to 50 mg twice daily for rate control of atrial fibrillation.",
    "No chest pain, no dyspnoea at rest, mild oedema of both ankles.",
    "Physical therapy recommends a walker and home exercises three times a week.",
    "Insulin glargine 18 units at bedtime, fasting glucose 142 mg/dL.",
    "Abdomen soft, tender in the left lower quadrant without rebound.",
    "Started apixaban 5 mg by mouth twice daily; heparin drip stopped.",
    "Echocardiogram: ejection fraction 45 %, moderate mitral regurgitation.",
    "Pain controlled with acetaminophen 650 mg every 6 hours as needed.",
)
_HEADINGS = (
    *("HISTORY", "MEDICATIONS", "LABS", "IMAGING", "EXAM"),
    *("ASSESSMENT", "CONSULTS", "SOCIAL", "PLAN", "EVENTS"),
)
COPIED = 0.6


def read_notes(folder: str, every: int = 1) -> list[str]:
    """Read a folder's .txt notes by name, or only every second, third ... of them."""
    return [path.read_text(encoding="utf-8") for path in sorted(Path(folder).glob("*.txt"))[::every]]


def made_notes(folder: Path, count: int = 40) -> Path:
    """Write notes of our own sentences, in lengths from 850 to 5,700 characters; the same ones every time.

    Speed depends on how long notes are and where their lines and sentences end, not on what they say.
    """
    import random

    chance = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        length = 850 + (5700 - 850) * number // (count - 1)
        lines: list[str] = []
        while sum(map(len, lines)) < length:
            lines += [chance.choice(_HEADINGS), " ".join(chance.sample(_FINDINGS, chance.randint(1, 5))), ""]
        (folder / f"{number + 1:02}.txt").write_text("\n".join(lines)[:length], encoding="utf-8")
    return folder


def daily_notes(days: int, seed: int = 0) -> list[str]:
    """Make daily notes of ten sections of some 100 words; each day six are yesterday's and four are new."""
    import random  # not for those who measure how soon a process answers

    chance = random.Random(seed)

    def section(heading: str, day: int) -> str:
        return f"{heading}\n" + " ".join(
            f"Day {day}: {chance.choice(_FINDINGS)}" for _ in range(chance.randint(5, 9))
        )

    sections = [section(heading, 0) for heading in _HEADINGS]
    notes = []
    for day in range(days):
        for index in chance.sample(range(len(sections)), round(len(sections) * (1 - COPIED))):
            sections[index] = section(_HEADINGS[index], day)
        notes.append("\n\n".join(sections))
    return notes
