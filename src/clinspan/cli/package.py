"""`clinspan package ...`: the command line. Imports the rest of this package only when it runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clinspan.package.targets import ARCHITECTURES, PYTHONS

if TYPE_CHECKING:
    from clinspan.package.functions import Inputs, Package
    from clinspan.package.targets import Target


def register(commands: Any) -> None:
    """Add `package` to the subcommands of the command line."""
    package = commands.add_parser("package", help="make a function's zip, a container or a wheelhouse")
    kinds = package.add_subparsers(metavar="KIND", required=True)

    aws = kinds.add_parser("lambda", help="a zip for AWS Lambda")
    _add_inputs(aws, out="the .zip to write")
    _add_test_options(aws)
    aws.add_argument(
        "--handler",
        metavar="NAME",
        help="MODULE.FUNCTION to make, or FILE.py:FUNCTION of your own (lambda_function.lambda_handler)",
    )
    aws.add_argument("--layers", action="store_true", help="runtime and model as layers beside the function")
    aws.set_defaults(run=_lambda)

    gcf = kinds.add_parser("gcf", help="a source zip for Google Cloud functions")
    _add_inputs(gcf, out="the .zip to write", architectures=("x86_64",))
    _add_test_options(gcf)
    gcf.set_defaults(run=_gcf)

    container = kinds.add_parser("container", help="a Dockerfile and all that it needs")
    _add_inputs(container, out="the folder to make")
    container.add_argument(
        "--server", choices=("lambda", "http"), default="lambda", help="what the image answers to"
    )
    container.add_argument("--handler", metavar="NAME", help="as in `package lambda`")
    container.add_argument("--force", action="store_true", help="replace OUT where it exists")
    container.set_defaults(run=_container)

    wheelhouse = kinds.add_parser("wheelhouse", help="a folder that installs without a network")
    _add_inputs(wheelhouse, out="the folder to make")
    wheelhouse.add_argument("--force", action="store_true", help="replace OUT where it exists")
    wheelhouse.set_defaults(run=_wheelhouse)


def _add_inputs(
    parser: argparse.ArgumentParser, *, out: str, architectures: tuple[str, ...] = ARCHITECTURES
) -> None:
    parser.add_argument("--out", required=True, type=Path, help=out)
    parser.add_argument("--model", metavar="DIR", help="bundle to pack; the bundled starter otherwise")
    parser.add_argument("--precision", help="int8, fp32 or fp16; the best for CPU otherwise")
    parser.add_argument("--arch", choices=architectures, help="of the target; this machine's otherwise")
    parser.add_argument("--python", choices=PYTHONS, help="of the target; this one's where it has wheels")
    parser.add_argument(
        "--glibc", type=_glibc, metavar="2.N", help="of the target, where it is not the service's own"
    )
    parser.add_argument(
        "--wheels", type=Path, metavar="DIR", help="take wheels from here, and ask no index for any"
    )
    parser.add_argument(
        "--sbom", type=Path, metavar="FILE", help="write the CycloneDX bill of materials here too"
    )


def _add_test_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--interpreter", metavar="PYTHON", help="of the target's version, for bytecode and self-test"
    )
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="PATTERN",
        help="pack these files too, such as 'numpy/random/*'; repeatable",
    )


def _glibc(text: str) -> int:
    major, _, minor = text.partition(".")
    if major != "2" or not minor.isdecimal() or int(minor) < 17:
        raise argparse.ArgumentTypeError(f"{text} is no glibc from 2.17 on")
    return int(minor)


def _lambda(options: argparse.Namespace) -> None:
    from clinspan.package.functions import LAMBDA_HANDLER, package_lambda

    target = _target("lambda", options)
    made = package_lambda(
        options.out,
        target,
        _inputs(options),
        handler=options.handler or LAMBDA_HANDLER,
        layers=options.layers,
        progress=_progress,
    )
    _report(made, target, f"handler       {made.entry}")


def _gcf(options: argparse.Namespace) -> None:
    from clinspan.package.functions import package_gcf

    target = _target("gcf", options)
    made = package_gcf(options.out, target, _inputs(options), progress=_progress)
    _report(
        made, target, f"entry point   {made.entry.rpartition('.')[2]}; 2nd gen states no limit of its own"
    )


def _container(options: argparse.Namespace) -> None:
    from clinspan.package.folders import package_container

    made = package_container(
        options.out,
        _target("container", options),
        _inputs(options),
        server=options.server,
        handler=options.handler,
        force=options.force,
        progress=_progress,
    )
    print(
        f"made          {made.path}, {made.size / 1e6:,.1f} MB before the base image; an image may be 10 GB"
    )
    print(f"build         docker build --network=none --tag clinspan-function {made.path}")


def _wheelhouse(options: argparse.Namespace) -> None:
    from clinspan.package.folders import package_wheelhouse

    made = package_wheelhouse(
        options.out,
        _target("wheelhouse", options),
        _inputs(options),
        force=options.force,
        progress=_progress,
    )
    print(f"made          {made.path}, {made.size / 1e6:,.1f} MB, {len(made.wheels)} wheels")
    print(f"install       sh {made.path}/install.sh FOLDER")


def _report(made: Package, target: Target, last: str) -> None:
    print(made.text)
    print()
    for archive in made.archives:
        print(f"made          {archive}, {archive.stat().st_size / 1e6:,.1f} MB")
    print(f"left out      {sum(made.left_out.values()) / 1e6:,.1f} MB that inference never imports")
    print(f"binaries      {made.binaries}, all {target.arch}")
    if made.tested is not None:
        print(f"self-test     passed alone in Python {target.python}: {made.tested.spans} spans")
    elif target.is_host:
        print(f"self-test     NOT RUN: no Python {target.python} found here; name one with --interpreter")
    else:
        print(f"self-test     NOT RUN: this machine cannot run {target.arch} binaries")
    print(last)


def _target(service: str, options: argparse.Namespace) -> Target:
    from clinspan.package.targets import target

    return target(service, arch=options.arch, python=options.python, glibc=options.glibc)


def _inputs(options: argparse.Namespace) -> Inputs:
    from clinspan.package.functions import Inputs

    return Inputs(
        model=options.model,
        precision=options.precision,
        wheels=options.wheels,
        interpreter=getattr(options, "interpreter", None),
        keep=tuple(getattr(options, "keep", ())),
        sbom=options.sbom,
    )


def _progress(line: str) -> None:
    print(line, file=sys.stderr)
