"""clinspan beside what people would use instead: throughput, latency, cold start, memory."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.pages.comparison import SUMMARY, summary
from benchmarks.peers import CORE, FLOOR, MADE_FIRST, PEERS, measure
from benchmarks.run import record
from benchmarks.run.harness import Answer, ask, in_turn, medians, options_parser
from benchmarks.run.models import LARGE, headline_model, made_bundle, made_checkpoint
from benchmarks.run.notes import made_notes
from benchmarks.run.record import save

_AT_GATORTRON_SIZE = (
    *("clinspan_int8", "clinspan_fp32"),
    *("transformers_fp32", "transformers_bf16", "optimum_int8"),
)


def throughput(arguments: Sequence[str]) -> None:
    """Measure thousand characters a second over long notes.

    python -m benchmarks throughput --bundle BUNDLE --checkpoint CHECKPOINT --notes DIR    6 minutes a round
    ... --threads 2 1      also on one core, every fourth note, each library at its best: 1.5 minutes more
    """
    options = _parser(throughput.__doc__).parse_args(arguments)
    for threads in options.threads:
        every = options.every if threads == options.threads[0] else 4 * options.every
        _compare("throughput", options, threads, {"every": every})


def latency(arguments: Sequence[str]) -> None:
    """Measure one text at a time: a short message, a typical note, a long note.

    python -m benchmarks latency --bundle BUNDLE --checkpoint CHECKPOINT --notes DIR       5 minutes a round
    ... --threads 2 1      also on one core, each library at its best: 3.5 minutes more
    """
    parser = _parser(latency.__doc__)
    parser.add_argument(
        "--calls", type=int, default=8, help="of each note; of the short message five times as many"
    )
    options = parser.parse_args(arguments)
    for threads in options.threads:
        _compare("latency", options, threads, {"every": options.every, "calls": options.calls})


def coldstart(arguments: Sequence[str]) -> None:
    """Measure from the start of a fresh process to its first spans, model files warm on disk.

    python -m benchmarks coldstart --bundle BUNDLE --checkpoint CHECKPOINT --notes DIR     45 seconds a round

    The floor beside them is a process that imports numpy, tokenizers and onnxruntime, makes a session and runs it once.
    """
    options = _parser(coldstart.__doc__).parse_args(arguments)
    options.variants = [*(options.variants or PEERS), FLOOR]
    _compare("coldstart", options, options.threads[0], {})


def memory(arguments: Sequence[str]) -> None:
    """Measure one process: after one note, after all, after a stream of short ones, at its peak with a very long one.

    python -m benchmarks memory --bundle BUNDLE --checkpoint CHECKPOINT --notes DIR --variants clinspan_int8

    1 minute a round; with all variants 15. `growth` follows 10,000 notes and notes of up to 5 million characters.
    """
    parser = _parser(memory.__doc__)
    parser.add_argument("--repeats", type=int, default=1, help="thousands of short messages")
    parser.add_argument("--long-characters", type=int, default=500_000, help="length of the long note")
    options = parser.parse_args(arguments)
    extra = {"repeats": options.repeats, "long_characters": options.long_characters, "every": options.every}
    _compare("memory", options, options.threads[0], extra)


def headline(arguments: Sequence[str]) -> None:
    """Make the headline model and notes, measure the front page's table on them, and print it.

    python -m benchmarks headline --work DIR                     40 minutes for two rounds, all variants
    ... --notes NOTES --variants clinspan_int8 transformers_fp32       other notes, fewer variants

    WORK keeps what is made (1 GB): a BERT-base with random weights, its bundle, 40 notes of our own sentences. Results are
    left in WORK/results; `python -m benchmarks tables` shows the ones that the pages are made of.
    """
    parser = options_parser(headline.__doc__, "work", "rounds", "name")
    _add_peers(parser)
    parser.add_argument("--notes", help="folder of .txt notes (default: made in WORK)")
    parser.set_defaults(rounds=2)
    options = parser.parse_args(arguments)
    work = Path(options.work)
    checkpoint, bundle = headline_model(work)
    options.notes = options.notes or str(made_notes(work / "notes"))
    options.checkpoint, options.bundle = str(checkpoint), str(bundle)
    record.RESULTS = work / "results"
    options.variants = options.variants or list(SUMMARY)
    threads, every = options.threads[0], {"every": options.every}
    _compare("throughput", options, threads, every)
    _compare("latency", options, threads, {**every, "calls": 8})
    _compare("coldstart", options, threads, {})
    print(summary())


def gatortron(arguments: Sequence[str]) -> None:
    """Measure throughput at GatorTron's size: MegatronBert, 24 layers, hidden size 1024, random weights.

    python -m benchmarks gatortron --tokenizer CHECKPOINT --notes DIR --work DIR

    CHECKPOINT lends its tokenizer. WORK keeps the checkpoint and its bundle (2.2 GB) for the next time; making them takes
    about 4 minutes and 6 GB of memory, a round with every tenth note 1.5 minutes.
    """
    parser = options_parser(gatortron.__doc__, "notes", "work", "rounds", "name")
    parser.add_argument("--tokenizer", required=True, help="checkpoint with a WordPiece tokenizer")
    parser.add_argument("--layers", type=int, default=24, help="fewer only to try whether it runs")
    _add_peers(parser)
    parser.set_defaults(rounds=2, every=10, name="throughput_gatortron", variants=_AT_GATORTRON_SIZE)
    options = parser.parse_args(arguments)
    work, settings = Path(options.work), {**LARGE, "num_hidden_layers": options.layers}
    checkpoint = work / f"checkpoint-{options.layers}"
    made_checkpoint(checkpoint, "MegatronBert", options.tokenizer, settings)
    bundle = made_bundle(checkpoint, work / f"bundle-{options.layers}", ("fp32", "int8"))
    options.checkpoint, options.bundle = str(checkpoint), str(bundle)
    extra = {"every": options.every, "layers": options.layers}
    _compare("throughput", options, options.threads[0], extra)


def _parser(description: str | None) -> argparse.ArgumentParser:
    parser = options_parser(description, "bundle", "checkpoint", "notes", "rounds", "name")
    _add_peers(parser)
    return parser


def _add_peers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, nargs="+", default=[2], help="cores; several to ask for each")
    parser.add_argument("--every", type=int, default=1, help="read every note, every second one ...")
    parser.add_argument("--variants", nargs="*", help="names from benchmarks/peers (default: all)")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="PEER=PATH",
        help="interpreter for variants whose name begins with PEER, where dependencies clash",
    )


def _compare(question: str, options: argparse.Namespace, threads: int, extra: dict[str, Any]) -> None:
    """Ask one question of all variants in turn, several rounds, and save the medians.

    On other numbers of cores than the first of the options', only each library at its best is asked.
    """
    first = threads == options.threads[0]
    variants = [name for name in options.variants or PEERS if first or name in CORE]
    pythons = dict(pair.split("=", 1) for pair in options.python)
    place = {name: getattr(options, name) for name in ("bundle", "checkpoint", "notes")}

    def answer(variant: str, asked: str = question) -> Answer | None:
        python = next((path for peer, path in pythons.items() if variant.startswith(peer)), sys.executable)
        settings = {"question": asked, "variant": variant, "threads": threads, **place, **extra}
        environment = {
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_NUM_THREADS": str(threads),
        }
        try:
            return ask(measure.measure, settings, python=python, environment=environment)
        except RuntimeError as error:
            print(f"  left out: {error}", file=sys.stderr)
            return None

    for variant in variants:
        if variant.startswith(MADE_FIRST):
            answer(variant, "coldstart")
    answers = in_turn(variants, options.rounds, answer)
    name = options.name or question
    save(
        question,
        [{"variant": variant, **medians(given)} for variant, given in answers.items()],
        {
            **place,
            **_named(extra),
            "notes": Path(options.notes).name,
            "threads": threads,
            "rounds": options.rounds,
        },
        name=name if first else f"{name}_threads_{threads}",
    )


def _named(extra: dict[str, Any]) -> dict[str, Any]:
    """Settings with the names of files in place of their paths."""
    return {key: Path(value).name if isinstance(value, str) else value for key, value in extra.items()}
