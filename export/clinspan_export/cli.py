"""`clinspan-export CHECKPOINT OUT`: make a bundle from a fine-tuned checkpoint."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from clinspan.bundle import Bundle
from clinspan.decode import AGGREGATIONS
from clinspan.errors import ClinspanError
from clinspan.labels import SCHEMES
from clinspan_export.errors import ExportError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code: 0 done, 1 failed, 2 wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        bundle = _run(options)
    except ClinspanError as error:
        print(f"clinspan-export: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(
            f"clinspan-export: {error.name} is not installed: pip install 'clinspan[cpu,export]'",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("clinspan-export: interrupted, nothing was left behind", file=sys.stderr)
        return 130
    print(_summary(bundle))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="clinspan-export",
        description="Turn a fine-tuned token classification checkpoint into a verified ONNX bundle.",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="local folder or Hub id")
    parser.add_argument("out", metavar="OUT", help="folder to make")
    parser.add_argument(
        "--precision", action="append", choices=("fp32", "int8"), help="keep only these; repeatable"
    )
    parser.add_argument("--notes", metavar="DIR", help="folder of .txt notes to compare the models on")
    parser.add_argument(
        "--scheme", choices=SCHEMES, help="how label names mark positions; detected otherwise"
    )
    parser.add_argument("--outside", help="label that means no entity; detected otherwise")
    parser.add_argument(
        "--rename",
        action="append",
        default=[],
        metavar="ENTITY=NAME",
        help="show an entity under another name",
    )
    parser.add_argument("--window", type=int, help="tokens that one run reads")
    parser.add_argument("--overlap", type=int, default=0, help="tokens that neighbouring windows share")
    parser.add_argument("--aggregation", choices=AGGREGATIONS, default="first", help="default word vote")
    parser.add_argument("--force", action="store_true", help="replace OUT where it exists")
    parser.add_argument(
        "--trust-remote-code", action="store_true", help="run code that the checkpoint brings along"
    )
    parser.add_argument("--allow-pickle", action="store_true", help="accept pickled weights")
    return parser


def _run(options: argparse.Namespace) -> Bundle:
    from clinspan_export.export import Permissions, Reading, export

    return export(
        options.checkpoint,
        options.out,
        precisions=options.precision or ("fp32", "int8"),
        notes=None if options.notes is None else _notes(Path(options.notes)),
        reading=Reading(
            scheme=options.scheme,
            outside=options.outside,
            rename=_renames(options.rename),
            window=options.window,
            overlap=options.overlap,
            aggregation=options.aggregation,
        ),
        permissions=Permissions(options.trust_remote_code, options.allow_pickle),
        force=options.force,
        progress=lambda line: print(line, file=sys.stderr),
    )


def _notes(folder: Path) -> list[str]:
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise ExportError(f"{folder} has no .txt notes")
    try:
        return [path.read_text(encoding="utf-8") for path in files]
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"cannot read the notes in {folder} as UTF-8") from error


def _renames(pairs: Sequence[str]) -> dict[str, str]:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise ExportError(f"--rename {wrong[0]}: expected ENTITY=NAME")
    return {old: new for old, _, new in (pair.rpartition("=") for pair in pairs)}


def _summary(bundle: Bundle) -> str:
    sizes = ", ".join(f"{name} {record.size / 1e6:.1f} MB" for name, record in bundle.models.items())
    agreement = ", ".join(
        f"{name} {bundle.parity[name]['span_agreement_f1']:.3f}"
        for name in bundle.parity
        if name in ("fp32", "int8")
    )
    return "\n".join(
        [
            f"bundle      {bundle.path}",
            f"models      {sizes}",
            f"agreement   {agreement} of spans, against PyTorch on {bundle.parity['notes']} notes",
            f"next        clinspan extract --model {bundle.path} NOTE.txt",
        ]
    )
