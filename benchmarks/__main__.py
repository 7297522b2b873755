"""Ask one question, make the pages, or ask all questions one after the other.

python -m benchmarks NAME ...               one question; `python -m benchmarks NAME --help` says what it takes
python -m benchmarks tables [--write]       tables of the pages; `targets` and `plots` for those alone

python -m benchmarks --bundle BUNDLE --checkpoint CHECKPOINT --notes DIR --work DIR
    --python openmed=OPENMED_ENV/bin/python --python openvino=OPENVINO_ENV/bin/python --python spacy=SPACY_ENV/bin/python
    --quality "NAME CHECKPOINT BUNDLE DEV TEST"

The last asks all, about 50 minutes on two cores that do nothing else. Each part is a command of its own, printed before it
runs; a part that fails is named at the end and the rest still runs.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import import_module

from benchmarks.questions import QUESTIONS
from benchmarks.run.harness import ROOT, options_parser

PAGES = ("tables", "targets", "plots")


def main(arguments: Sequence[str]) -> int:
    """Ask what the first argument names, or everything."""
    name, *rest = arguments or ("--help",)
    if name.startswith("-"):
        return ask_all(arguments or ("--help",))
    if name in PAGES:
        import_module(f"benchmarks.pages.{name}").main(rest)
        return 0
    if name not in QUESTIONS:
        print(f"no question {name}: expected {', '.join([*QUESTIONS, *PAGES])}", file=sys.stderr)
        return 2
    question = QUESTIONS[name]
    ask = getattr(import_module(f"benchmarks.questions.{question.module}"), question.function)
    return ask(rest) or 0


def ask_all(arguments: Sequence[str]) -> int:
    """Run every part as its own command."""
    parser = options_parser(__doc__, "bundle", "checkpoint", "notes", "work", "rounds")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[2, 1], help="cores; several to ask for each"
    )
    parser.add_argument(
        "--python", action="append", default=[], metavar="PEER=PATH", help="as in `throughput`"
    )
    parser.add_argument("--variants", nargs="*", help="names from benchmarks/peers (default: all)")
    parser.add_argument("--quality", action="append", default=[], metavar="FIVE ARGUMENTS")
    parser.add_argument("--only", nargs="*", help="parts by name, such as throughput growth effects")
    parser.set_defaults(rounds=2)
    options = parser.parse_args(arguments)
    failed = []
    for part in parts(options):
        if options.only and part[0] not in options.only:
            continue
        command = [sys.executable, "-m", "benchmarks", *part]
        print(f"\n{shlex.join(command[1:])}", file=sys.stderr, flush=True)
        began = time.perf_counter()
        if subprocess.run(command, stdout=subprocess.DEVNULL, cwd=ROOT, check=False).returncode:
            failed.append(part[0])
        print(f"{part[0]}: {(time.perf_counter() - began) / 60:.1f} minutes", file=sys.stderr, flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def parts(options: argparse.Namespace) -> list[list[str]]:
    """Name and arguments of every part."""
    notes, bundle = ["--notes", options.notes], ["--bundle", options.bundle]
    work = ["--work", options.work]
    peers = [*bundle, "--checkpoint", options.checkpoint, *notes]
    compared = [*peers, *(word for pair in options.python for word in ("--python", pair))]
    if options.variants:
        compared += ["--variants", *options.variants]
    threads = ["--threads", *map(str, options.threads)]
    rounds = ["--rounds", str(options.rounds)]
    return [
        ["throughput", *compared, *threads, *rounds],
        ["latency", *compared, *threads, "--rounds", "1"],
        ["coldstart", *compared, "--rounds", "3"],
        ["memory", *peers, "--variants", "clinspan_int8", "--rounds", "1"],
        ["overhead", *bundle, *notes],
        ["overhead", *notes, "--name", "overhead_starter"],
        ["peak", *bundle],
        ["reuse", *bundle, *rounds],
        ["growth", *bundle, *notes],
        ["growth", *notes, "--longest", "5000000", "--name", "growth_starter"],
        ["effects", *bundle, *notes, *work, *rounds],
        ["gatortron", "--tokenizer", options.checkpoint, *notes, *work, "--rounds", "1"],
        *(["quality", *shlex.split(five)] for five in options.quality),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
