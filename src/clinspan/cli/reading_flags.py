"""The flags that say how annotated documents are read; the exporter's commands share them."""

from __future__ import annotations

import argparse

from clinspan.documents.reading import DISCONTINUOUS, OVERLAPS, ReadingRules

DATA_HELP = (
    "annotated documents: .jsonl of any common tool, CoNLL, PubTator, BioC, .gz of these, or a BRAT folder"
)


def add_reading_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add = parser.add_argument
    add("--column", type=int, metavar="N", help="the CoNLL column of the token, from 1 (default: the first)")
    add("--untyped", metavar="NAME", help="the label of CoNLL tags that name none, such as a bare B")
    add(
        "--overlaps", choices=OVERLAPS, default="refuse",
        help="annotations that overlap: refuse them, or keep the longest, or the one that stands first (%(default)s)",
    )  # fmt: skip
    add(
        "--discontinuous", choices=DISCONTINUOUS, default="refuse",
        help="annotations in fragments: refuse them, cover what is between, or leave them out (%(default)s)",
    )  # fmt: skip
    add("--encoding", metavar="NAME", help="of the files, such as cp1252 or utf-16 (default: UTF-8)")


def reading_rules(options: argparse.Namespace) -> ReadingRules:
    """Make the rules that the flags ask for: documents that nobody annotated are left out and counted.

    Raises:
        InputError: a value makes no sense.
    """
    return ReadingRules(
        unannotated="leave-out",
        overlaps=options.overlaps,
        discontinuous=options.discontinuous,
        column=options.column,
        untyped=options.untyped,
        encoding=options.encoding,
    )
