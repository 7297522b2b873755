"""The options that say how far a checkpoint is trusted."""

from __future__ import annotations

import argparse

from clinspan_export.checkpoint import Trust


def add_trust_options(group: argparse._ArgumentGroup) -> None:
    """Add the revision, the permissions, and what may stay unused."""
    add = group.add_argument
    add("--revision", metavar="COMMIT", help="commit, tag or branch of a Hub id (default: the newest)")
    add("--trust-remote-code", action="store_true", help="run code that the checkpoint brings along")
    add("--allow-pickle", action="store_true", help="accept pickled weights")
    unused = "go on without tensors, files or keys of config.json that this pattern names; repeatable"
    add("--allow-unused", action="append", default=[], metavar="PATTERN", help=unused)


def trust_of(options: argparse.Namespace) -> Trust:
    """The trust that the options give."""
    return Trust(
        options.revision, options.trust_remote_code, options.allow_pickle, tuple(options.allow_unused)
    )
