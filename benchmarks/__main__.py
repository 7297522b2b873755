"""All benchmarks one after the other, and their tables: about 50 minutes on two cores that do nothing else.

python -m benchmarks --bundle BUNDLE --checkpoint CHECKPOINT --notes DIR --work DIR
    --python openmed=OPENMED_ENV/bin/python --python openvino=OPENVINO_ENV/bin/python --python spacy=SPACY_ENV/bin/python
    --quality "NAME CHECKPOINT BUNDLE DEV TEST"

Each part is a command of its own, printed before it runs; a part that fails is named at the end and the rest still runs.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time

from benchmarks import table
from benchmarks.harness import ROOT, arguments


def main() -> None:
    """Run every part as its own command."""
    parser = arguments(__doc__ or "")
    parser.add_argument(
        "--work", required=True, help="folder for models that benchmarks make, kept for next time"
    )
    parser.add_argument("--quality", action="append", default=[], metavar="FIVE ARGUMENTS")
    parser.add_argument("--only", nargs="*", help="parts by name, such as throughput growth effects")
    parser.set_defaults(rounds=2, threads=[2, 1])
    options = parser.parse_args()
    failed = []
    for name, module, arguments_of_part in parts(options):
        if options.only and name not in options.only:
            continue
        command = [sys.executable, "-m", f"benchmarks.{module}", *arguments_of_part]
        print(f"\n{shlex.join(command[1:])}", file=sys.stderr, flush=True)
        began = time.perf_counter()
        if subprocess.run(command, stdout=subprocess.DEVNULL, cwd=ROOT, check=False).returncode:
            failed.append(name)
        print(f"{name}: {(time.perf_counter() - began) / 60:.1f} minutes", file=sys.stderr, flush=True)
    table.main([])
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def parts(options: object) -> list[tuple[str, str, list[str]]]:
    """Name, module and arguments of every part."""
    given = vars(options)
    notes = ["--notes", given["notes"]]
    bundle = ["--bundle", given["bundle"]]
    work = ["--work", given["work"]]
    peers = [*bundle, "--checkpoint", given["checkpoint"], *notes]
    for pair in given["python"]:
        peers += ["--python", pair]
    if given["variants"]:
        peers += ["--variants", *given["variants"]]
    threads = ["--threads", *map(str, given["threads"])]
    rounds = ["--rounds", str(given["rounds"])]
    starter = [*notes, "--longest", "5000000", "--name", "growth_starter"]
    return [
        ("throughput", "throughput", [*peers, *threads, *rounds]),
        ("latency", "latency", [*peers, *threads, "--rounds", "1"]),
        ("coldstart", "coldstart", [*peers, "--rounds", "3"]),
        ("memory", "memory", [*bundle, *peers[2:6], "--variants", "clinspan int8", "--rounds", "1"]),
        ("overhead", "overhead", [*bundle, *notes]),
        ("overhead", "overhead", [*notes, "--name", "overhead_starter"]),
        ("peak", "peak", bundle),
        ("reuse", "reuse", [*bundle, *rounds]),
        ("growth", "growth", [*bundle, *notes]),
        ("growth", "growth", starter),
        ("effects", "effects", [*bundle, *notes, *work, *rounds]),
        ("gatortron", "gatortron", ["--tokenizer", given["checkpoint"], *notes, *work, "--rounds", "1"]),
        *(("quality", "quality", shlex.split(five)) for five in given["quality"]),
    ]


if __name__ == "__main__":
    main()
