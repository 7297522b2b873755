"""`clinspan-export sign BUNDLE --key PRIVATE.pem`: say who made a bundle."""

from __future__ import annotations

import argparse

from clinspan_export.sign import sign


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a command line."""
    parser = commands.add_parser("sign", help="sign a bundle with an Ed25519 key")
    parser.add_argument("bundle", metavar="BUNDLE", help="bundle to sign; its files are checked first")
    parser.add_argument("--key", required=True, metavar="PEM", help="private key, made with openssl")
    parser.set_defaults(run=lambda options: f"signature   {sign(options.bundle, options.key)}")
