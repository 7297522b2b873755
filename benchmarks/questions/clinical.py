"""Assertion and regimens beside other libraries: right how often, how fast, and at what cost to start.

    scripts/peers-clinical PEERS
    python -m benchmarks assertion CORPORA --peers PEERS       5 minutes
    python -m benchmarks regimens CORPORA --peers PEERS        3 minutes

CORPORA is the folder of annotated texts. Every library is given the same spans, the gold ones; regimens are asked a second
time with the spans that the bundled starter finds. Times are CPU time, so that a busy machine does not change them much,
and the least of the rounds; notes are read three times. Nothing was chosen on the sets called `test`; `negex_dev` was looked at
while the rules were written. F1 counts the spans or pairs for which a kind holds.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.peers import clinical
from benchmarks.peers.clinical import Given
from benchmarks.run.harness import Answer, ask, options_parser
from benchmarks.run.record import save
from benchmarks.run.usage import peak

# Variant -> the folder of its environment below PEERS; None for this process's own.
ASSERT = {
    "clinspan": None,
    "negspacy": "negspacy",
    "medspacy": "medspacy",
    "edsnlp": "edsnlp",
    "openmed": "openmed",
}
RELATE = {"clinspan_regimens": None, "nearest_drug": None, "openmed_links": "openmed"}
SETS = {"negex_dev": "negex_dev", "phee_dev": "phee_assertion_dev", "phee_test": "phee_assertion_test"}
RELATIONS = ("phee_dev", "phee_test", "maccrobat_test")
# The parts of which MACCROBAT has more than a hundred relations; of durations and forms, which the starter finds, it marks
# a handful.
WELL_ANNOTATED = ("STRENGTH", "ROUTE", "FREQUENCY")
# What a library says nothing of, whatever the note: its row has no figure there.
ONLY = {"negspacy": ("negated",), "edsnlp": ("negated",)}

_COSTS = ("import_seconds", "first_answer_seconds", "microseconds_a_note", "peak_mb")

Pairs = set[tuple[int, int]]


def assertion(arguments: Sequence[str]) -> None:
    """Ask every library about every set."""
    options = _options(arguments)
    notes = _found_by_starter(sorted((Path(options.corpora) / "notes").glob("*")))
    rows = []
    with _in_a_file(notes) as path:
        for variant, folder in ASSERT.items():
            print(variant, file=sys.stderr)
            asked = {"variant": variant, "corpora": str(Path(options.corpora).resolve()), "notes": str(path)}
            python = _python(options.peers, folder)
            # The first round leaves the compiled modules that an installed library has.
            environment = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": f"{path}.compiled"}
            answers = [
                ask(measure_assertion, asked, python=python, environment=environment)
                for _ in range(options.rounds + 1)
            ]
            rows.append({**answers[0], **{name: min(answer[name] for answer in answers) for name in _COSTS}})
    save("assertion", rows, {"rounds": options.rounds, "notes": len(notes)}, summary=_ahead(rows))


def measure_assertion(settings: Answer) -> Answer:
    """Load one library, time it, and score it on every set."""
    run, answer = _loaded(settings["variant"])
    notes = [(note, [Given(*span) for span in spans]) for note, spans in _content(settings["notes"])]
    run(*notes[0])
    answer["first_answer_seconds"] = answer.pop("started")()
    passes = []
    for _ in range(3):
        start = time.process_time()
        for note, spans in notes:
            run(note, spans)
        passes.append((time.process_time() - start) / len(notes) * 1e6)
    answer["microseconds_a_note"] = min(passes)
    answer["peak_mb"] = peak()
    for name, file in SETS.items():
        for kind, figures in _score_assertion(
            run, Path(settings["corpora"]) / "assertion" / f"{file}.jsonl"
        ).items():
            if kind in ONLY.get(settings["variant"], clinical.KINDS):
                answer[f"{name}_{kind}"] = figures
    return answer


def regimens(arguments: Sequence[str]) -> None:
    """Ask every rule about every set, with gold spans and with those that the starter finds."""
    options = _options(arguments)
    folder = Path(options.corpora) / "relations"
    found = {name: _found_in(folder / f"{name}.jsonl") for name in RELATIONS}
    rows = []
    with _in_a_file(found) as path:
        for variant, peer in RELATE.items():
            print(variant, file=sys.stderr)
            asked = {"variant": variant, "corpora": str(Path(options.corpora).resolve()), "found": str(path)}
            rows.append(ask(measure_regimens, asked, python=_python(options.peers, peer)))
    save("regimens", rows, {"sets": list(RELATIONS)})


def measure_regimens(settings: Answer) -> Answer:
    """Load one rule, and score it on every set."""
    run, answer = _loaded(settings["variant"])
    del answer["started"]
    found = _content(settings["found"])
    for name in RELATIONS:
        rows = list(_rows(Path(settings["corpora"]) / "relations" / f"{name}.jsonl"))
        for part, chosen in (("all", rows), ("several_drugs", [row for row in rows if _drugs(row) > 1])):
            answer[f"{name}_{part}_gold"] = _f1(
                (_gold_pairs(row), run(row["text"], _gold_spans(row))) for row in chosen
            )
        given = [[Given(*span) for span in spans] for spans in found[name]]
        pairs = [run(row["text"], spans) for row, spans in zip(rows, given, strict=True)]
        for part, labels in (("starter", clinical.PARTS), ("starter_three", WELL_ANNOTATED)):
            answer[f"{name}_{part}"] = _f1(
                (_of(labels, _gold_spans(row), _gold_pairs(row)), _of(labels, spans, each))
                for row, spans, each in zip(rows, given, pairs, strict=True)
            )
    return answer


def _options(arguments: Sequence[str]) -> Any:
    parser = options_parser(__doc__, "rounds")
    parser.add_argument("corpora", metavar="CORPORA", help="folder of annotated texts")
    parser.add_argument("--peers", required=True, help="folder that scripts/peers-clinical made")
    return parser.parse_args(arguments)


def _python(peers: str, folder: str | None) -> str:
    return sys.executable if folder is None else str(Path(peers).resolve() / folder / "bin" / "python")


@contextmanager
def _in_a_file(content: object) -> Iterator[Path]:
    """Write what is too long for a command line."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "given.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        yield path


def _content(path: str) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _loaded(variant: str) -> tuple[Any, Answer]:
    """Import and set up one library; the answer holds the seconds, and a clock for the first answer."""
    start = time.process_time()
    run = getattr(clinical, variant)()
    seconds = time.process_time() - start
    return run, {
        "variant": variant,
        "import_seconds": seconds,
        "started": lambda: time.process_time() - start,
    }


def _score_assertion(run: clinical.Assert, path: Path) -> dict[str, float]:
    counts: dict[str, Counter[str]] = {}
    for row in _rows(path):
        [found] = run(row["text"], [Given("PROBLEM", row["start"], row["end"])])
        for kind, holds in _gold_kinds(row).items():
            outcome = ("fn" if holds else "tn", "tp" if holds else "fp")[kind in found]
            counts.setdefault(kind, Counter())[outcome] += 1
    return {kind: 2 * c["tp"] / max(1, 2 * c["tp"] + c["fp"] + c["fn"]) for kind, c in counts.items()}


def _gold_kinds(row: dict[str, Any]) -> dict[str, bool]:
    if "speculated" in row:
        return {"negated": row["negated"], "uncertain": row["speculated"]}
    return {
        "negated": row["negated"],
        "historical": row["temporality"] == "historical",
        "hypothetical": row["temporality"] == "not particular",
    }


def _f1(answers: Iterator[tuple[set[Any], set[Any]]]) -> float:
    right = gold = found = 0
    for one, other in answers:
        right, gold, found = right + len(one & other), gold + len(one), found + len(other)
    return 2 * right / max(1, gold + found)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _drugs(row: dict[str, Any]) -> int:
    return sum(entity["label"] == "DRUG" for entity in row["entities"])


def _gold_spans(row: dict[str, Any]) -> list[Given]:
    return [Given(entity["label"], entity["start"], entity["end"]) for entity in row["entities"]]


def _gold_pairs(row: dict[str, Any]) -> Pairs:
    return {(relation["drug"], relation["attribute"]) for relation in row["relations"]}


def _of(labels: Sequence[str], spans: Sequence[Given], pairs: Pairs) -> set[tuple[Given, Given]]:
    """Write the pairs of some parts as spans, so that those found can be compared with the gold ones."""
    return {(spans[drug], spans[part]) for drug, part in pairs if spans[part].label in labels}


def _found_in(path: Path) -> list[list[Given]]:
    from clinspan import Recognizer

    texts = [row["text"] for row in _rows(path)]
    with Recognizer.load() as recognizer:
        return [[Given(s.label, s.start, s.end) for s in spans] for spans in recognizer.pipe(texts)]


def _found_by_starter(paths: Sequence[Path]) -> list[tuple[str, list[Given]]]:
    from clinspan import Recognizer

    notes = [path.read_text(encoding="utf-8") for path in paths if path.suffix == ".txt"]
    with Recognizer.load() as recognizer:
        found = list(recognizer.pipe(notes))
    return [
        (note, [Given(span.label, span.start, span.end) for span in spans])
        for note, spans in zip(notes, found, strict=True)
    ]


def _ahead(rows: Sequence[Answer]) -> Answer:
    """How far clinspan is ahead of medspaCy, which answers the most kinds."""
    ours, theirs = (next(row for row in rows if row["variant"] == name) for name in ("clinspan", "medspacy"))
    return {
        "negation_f1": ours["negex_dev_negated"],
        "import_times_faster_than_medspacy": theirs["import_seconds"] / ours["import_seconds"],
        "milliseconds_a_note": ours["microseconds_a_note"] / 1000,
    }
