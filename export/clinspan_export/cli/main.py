"""`clinspan-export CHECKPOINT OUT`: make a bundle from a fine-tuned checkpoint.

Its commands go the way there: `check`, `finetune` and `train-bundle` start from annotated documents.
`sign` says who made the bundle.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from clinspan.bundle.manifest import Bundle
from clinspan.cli.base import split_pairs
from clinspan.errors import ClinspanError, MissingDependencyError
from clinspan.text.decode import AGGREGATIONS
from clinspan.text.labels import SCHEMES
from clinspan_export.cli import check, sign
from clinspan_export.cli import train as training
from clinspan_export.export import FILES, Permissions, Reading, export
from clinspan_export.verify.limits import Gates
from clinspan_export.verify.notes import own_samples, read_samples
from clinspan_export.verify.tune_windows import MARGIN
from clinspan_export.verify.verdict import OWN_SAMPLES, Checks, tuning_notes

COMMANDS = ("check", "finetune", "train-bundle", "sign")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code: 0 done, 1 failed, 2 wrong usage."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    # The first word decides: a checkpoint in a folder called "check" is given as ./check.
    parser = _commands() if arguments[:1] and arguments[0] in COMMANDS else _parser()
    options = parser.parse_args(arguments)
    # A job that is told to end cleans up like one that is interrupted from the keyboard.
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print(options.run(options))
    except ClinspanError as error:
        print(f"clinspan-export: {error}", file=sys.stderr)
        return 2 if isinstance(error, MissingDependencyError) else 1
    except KeyboardInterrupt:
        print("clinspan-export: interrupted, nothing was left behind", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, previous)
    return 0


def _commands() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clinspan-export")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    check.register(commands)
    training.register(commands)
    sign.register(commands)
    return parser


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="clinspan-export",
        description="Turn a fine-tuned token classification checkpoint into a verified ONNX bundle.",
        epilog=f"Commands of their own, with their own --help: {', '.join(COMMANDS)}.",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="local folder or Hub id")
    parser.add_argument("out", metavar="OUT", help="folder to make")
    parser.add_argument(
        "--precision",
        action="append",
        choices=tuple(FILES),
        help="keep only these; repeatable; fp32 and int8 otherwise",
    )
    parser.add_argument("--force", action="store_true", help="replace OUT where it exists")
    _add_reading(parser.add_argument_group("labels and windows"))
    _add_checks(parser.add_argument_group("your own notes, and limits on what may be lost"))
    trust = parser.add_argument_group("trust")
    trust.add_argument(
        "--revision", metavar="COMMIT", help="commit, tag or branch of a Hub id; the newest otherwise"
    )
    trust.add_argument(
        "--trust-remote-code", action="store_true", help="run code that the checkpoint brings along"
    )
    trust.add_argument("--allow-pickle", action="store_true", help="accept pickled weights")
    parser.set_defaults(run=lambda options: _summary(_export(options)))
    return parser


def _add_reading(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--scheme", choices=SCHEMES, help="how label names mark positions; detected otherwise")
    group.add_argument("--outside", help="label that means no entity; detected otherwise")
    group.add_argument(
        "--rename",
        action="append",
        default=[],
        metavar="ENTITY=NAME",
        help="show an entity under another name; repeatable",
    )
    group.add_argument("--window", type=int, help="tokens that one run reads")
    group.add_argument("--overlap", type=int, default=0, help="tokens that neighbouring windows share")
    group.add_argument("--aggregation", choices=AGGREGATIONS, default="first", help="default word vote")
    group.add_argument(
        "--tune",
        metavar="GOLD",
        help="choose window, overlap and word vote on these annotated notes (.jsonl)",
    )
    group.add_argument(
        "--tune-margin",
        type=float,
        default=MARGIN,
        metavar="F1",
        help=f"how far below the best F1 a faster setting may lie; {MARGIN:g} otherwise",
    )


def _add_checks(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--notes",
        metavar="DIR|JSONL",
        help="compare the models on these notes: .txt files, or JSON lines with text and perhaps entities",
    )
    group.add_argument(
        "--min-agreement", type=float, metavar="F1", help="fail where fewer spans agree with PyTorch"
    )
    group.add_argument(
        "--max-f1-loss",
        type=float,
        metavar="F1",
        help="fail where more F1 is lost against the notes' entities",
    )
    group.add_argument("--report", metavar="FILE", help="write the HTML report here too, even on failure")
    group.add_argument(
        "--show-text", action="store_true", help="let the HTML report quote the spans that differ"
    )


def _export(options: argparse.Namespace) -> Bundle:
    return export(
        options.checkpoint,
        options.out,
        precisions=options.precision or ("fp32", "int8"),
        checks=_checks(options),
        reading=Reading(
            scheme=options.scheme,
            outside=options.outside,
            rename=split_pairs(options.rename, "--rename", "ENTITY=NAME"),
            window=options.window,
            overlap=options.overlap,
            aggregation=options.aggregation,
        ),
        permissions=Permissions(options.trust_remote_code, options.allow_pickle),
        revision=options.revision,
        force=options.force,
        progress=lambda line: print(line, file=sys.stderr, flush=True),
    )


def _checks(options: argparse.Namespace) -> Checks:
    return Checks(
        samples=own_samples() if options.notes is None else read_samples(Path(options.notes)),
        source=OWN_SAMPLES if options.notes is None else Path(options.notes).name,
        gates=Gates(options.min_agreement, options.max_f1_loss),
        tune_on=None if options.tune is None else tuning_notes(Path(options.tune)),
        tune_source="" if options.tune is None else Path(options.tune).name,
        tune_margin=options.tune_margin,
        show_text=options.show_text,
        report=None if options.report is None else Path(options.report),
    )


def _summary(bundle: Bundle) -> str:
    parity, evaluation = bundle.parity, bundle.evaluation
    sizes = ", ".join(f"{name} {record.size / 1e6:.1f} MB" for name, record in bundle.models.items())
    agreement = ", ".join(f"{name} {parity[name]['span_agreement_f1']:.3f}" for name in bundle.models)
    lines = [f"bundle      {bundle.path}", f"models      {sizes}"]
    lines.append(f"windows     {_windows(bundle)}")
    lines.append(
        f"agreement   {agreement} of spans, against PyTorch on {parity['notes']} notes ({parity['source']})"
    )
    if evaluation:
        scores = ", ".join(f"{name} {evaluation[name]['f1']:.4f}" for name in ("torch", *bundle.models))
        lines.append(f"F1          {scores}, on {evaluation['notes']} annotated notes")
    lines.append(f"verdict     {_verdict(bundle)}")
    lines.append(f"report      {bundle.path / 'report.html'}")
    lines.append(f"next        clinspan extract --model {bundle.path} NOTE.txt")
    return "\n".join(lines)


def _windows(bundle: Bundle) -> str:
    setting = f"{bundle.window} tokens, overlap {bundle.overlap}, word vote {bundle.aggregation}"
    if bundle.tuning:
        return f"{setting}: tuned on {bundle.tuning['notes']} notes of {bundle.tuning['source']}"
    return f"{setting}: not tuned, --tune GOLD.jsonl finds the fastest that costs no F1"


def _verdict(bundle: Bundle) -> str:
    limits = [
        f"{name.replace('_', '-')} {value:g}"
        for name, value in bundle.parity["gates"].items()
        if value is not None
    ]
    exact = f"fp32 is the PyTorch model to within {bundle.parity['tolerance']:g} on every logit"
    if limits:
        return f"{exact}; every model is within {' and '.join(limits)}"
    rest = [name for name in bundle.models if name != "fp32"]
    return f"{exact}; no limit was set for {' and '.join(rest)}" if rest else exact
