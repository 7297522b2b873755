"""`clinspan-export check DATA`: look for what is wrong with annotated documents."""

from __future__ import annotations

import argparse

from clinspan.documents.annotated import FORMATS
from clinspan.errors import InputError
from clinspan_export.train.check import check


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a command line."""
    parser = commands.add_parser("check", help="look for what is wrong with annotated documents")
    parser.add_argument("data", metavar="DATA", help="AutoML or own .jsonl, CoNLL, or a BRAT folder")
    parser.add_argument("--format", choices=FORMATS, help="default: recognised by path and first line")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> str:
    findings = check(options.data, format=options.format)
    lines = [f"error: {line}" for line in findings.errors]
    lines += [f"warning: {line}" for line in findings.warnings]
    lines.append(
        f"{findings.documents:,} documents, {findings.entities:,} entities, {len(findings.labels)} labels: "
        f"{len(findings.errors)} errors, {len(findings.warnings)} warnings"
    )
    if findings.errors:
        raise InputError("\n".join(["the documents cannot be trained on", *lines]))
    return "\n".join(lines)
