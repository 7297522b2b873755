"""What reuse gains on notes that copy each other: 30 made-up daily notes, about 60 % of each copied forward.

    python -m benchmarks.reuse --bundle BUNDLE

Each round runs the same series in two processes, with reuse and without; results must be those of a recognizer that
cuts alike and forgets everything.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from statistics import median

from benchmarks.harness import ROOT
from benchmarks.record import save

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
    "HISTORY",
    "MEDICATIONS",
    "LABS",
    "IMAGING",
    "EXAM",
    "ASSESSMENT",
    "CONSULTS",
    "SOCIAL",
    "PLAN",
    "EVENTS",
)
COPIED = 0.6


def series(days: int, seed: int = 0) -> list[str]:
    """Daily notes of ten sections of some 100 words; each day six are yesterday's and four are new."""
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


def _worker(bundle: str, reuse: int) -> None:
    from clinspan import Recognizer

    notes = series(30)
    recognizer = Recognizer.load(bundle, precision="int8", reuse=reuse)
    list(recognizer.pipe(["Warm-up."]))
    began = time.perf_counter()
    spans = [found for note in notes for found in recognizer.pipe([note])]
    took = time.perf_counter() - began
    cache = recognizer._model.cache
    print(
        json.dumps(
            {
                "seconds": took,
                "windows reused": cache.hits / (cache.hits + cache.misses) if cache else 0,
                "spans": sum(map(len, spans)),
            }
        )
    )


def main() -> None:
    """Compare reuse, the same windows forgotten at once, and the default."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        _worker(options.bundle, options.worker)
        return
    variants = {"reuse=512": 512, "same windows, forgotten": 1, "reuse off": 0}
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
    for _ in range(options.rounds):
        for name, reuse in variants.items():
            command = [
                sys.executable,
                "-m",
                "benchmarks.reuse",
                "--bundle",
                options.bundle,
                "--worker",
                str(reuse),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
            rounds[name].append(json.loads(done.stdout))
    results = {
        name: {key: median(answer[key] for answer in answers) for key in answers[0]}
        for name, answers in rounds.items()
    }
    off = [answer["seconds"] for answer in rounds["reuse off"]]
    for name, answers in rounds.items():
        ratios = [a / answer["seconds"] for a, answer in zip(off, answers, strict=True)]
        results[name]["times faster than reuse off"] = median(ratios)
    save("reuse", results, copied=COPIED, rounds=options.rounds)


if __name__ == "__main__":
    main()
