"""`clinspan-export check DATA`: look for what is wrong with annotated documents."""

from __future__ import annotations

import argparse

from clinspan.cli.reading_flags import DATA_HELP, add_reading_flags, reading_rules
from clinspan.documents.annotated import FORMATS
from clinspan.errors import InputError
from clinspan_export.train.check import check


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a command line."""
    parser = commands.add_parser("check", help="look for what is wrong with annotated documents")
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    parser.add_argument(
        "--dev", metavar="DEV", help="documents to select on: check them too, and against DATA"
    )
    parser.add_argument("--base", metavar="CHECKPOINT", help="the encoder to start from: check its tokenizer")
    parser.add_argument("--format", choices=FORMATS, help="default: recognised by path and first line")
    add_reading_flags(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> str:
    findings = check(
        options.data, development=options.dev, format=options.format, rules=reading_rules(options)
    )
    lines = [f"error: {line}" for line in findings.errors]
    warnings = [*_of_base(options.base), *findings.warnings]
    lines += [f"warning: {line}" for line in warnings]
    lines.append(
        f"{findings.documents:,} documents, {findings.entities:,} entities, {len(findings.labels)} labels: "
        f"{len(findings.errors)} errors, {len(warnings)} warnings"
    )
    if findings.errors:
        raise InputError("\n".join(["the documents cannot be trained on", *lines]))
    return "\n".join(lines)


def _of_base(base: str | None) -> list[str]:
    """Warnings about the tokenizer of the encoder to start from."""
    if base is None:
        return []
    from clinspan_export.checkpoint import (
        LOSES_CASE,
        load_tokenizer,
        loses_case,
    )  # torch: only where it is asked for

    return [f"{base}: {LOSES_CASE}"] if loses_case(load_tokenizer(base, {})) else []
