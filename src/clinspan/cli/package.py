"""`clinspan package`: make a function's zip, a container or a wheelhouse."""

from __future__ import annotations

import argparse
from pathlib import Path

from clinspan.cli.console import DONE, UNTESTED, say, write_stdout
from clinspan.cli.load_flags import model_folder
from clinspan.package import targets
from clinspan.package.container import package_container
from clinspan.package.entry_point import LAMBDA_HANDLER
from clinspan.package.functions import Package, package_gcf, package_lambda
from clinspan.package.parts.assemble import Inputs
from clinspan.package.targets import ARCHITECTURES, PYTHONS, Target
from clinspan.package.wheelhouse import package_wheelhouse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the kinds of packages and their options."""
    kinds = parser.add_subparsers(metavar="KIND", required=True)

    aws = kinds.add_parser("lambda", help="a zip for AWS Lambda")
    _add_inputs(aws, out="the .zip to write")
    _add_test_options(aws)
    aws.add_argument(
        "--handler",
        default=LAMBDA_HANDLER,
        metavar="NAME",
        help="MODULE.FUNCTION to make, or FILE.py:FUNCTION of your own (%(default)s)",
    )
    aws.add_argument("--layers", action="store_true", help="runtime and model as layers beside the function")
    aws.set_defaults(run=_lambda)

    gcf = kinds.add_parser("gcf", help="a source zip for Google Cloud functions")
    _add_inputs(gcf, out="the .zip to write", architectures=("x86_64",))
    _add_test_options(gcf)
    gcf.set_defaults(run=_gcf)

    container = kinds.add_parser("container", help="a folder with a Dockerfile and all that it needs")
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
    parser.add_argument(
        "--model",
        metavar="DIR",
        help="bundle to pack, or org/name in the Hub cache (default: the bundled starter)",
    )
    parser.add_argument("--precision", help="int8, fp32 or fp16 (default: the best for CPU)")
    parser.add_argument("--arch", choices=architectures, help="of the target (default: this machine's)")
    parser.add_argument(
        "--python", choices=PYTHONS, help="of the target (default: this one's, if it has wheels)"
    )
    parser.add_argument("--glibc", type=_glibc, metavar="2.N", help="of the target (default: the service's)")
    parser.add_argument(
        "--wheels", type=Path, metavar="DIR", help="take all wheels from here, without an index"
    )
    parser.add_argument(
        "--sbom", type=Path, metavar="FILE", help="write the CycloneDX bill of materials here too"
    )
    parser.set_defaults(interpreter=None, keep=[])


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
    parser.add_argument("--force", action="store_true", help="replace OUT where it exists")
    parser.add_argument(
        "--require-self-test",
        action="store_true",
        help=f"exit with {UNTESTED} if the package was made and could not be run here",
    )


def _glibc(text: str) -> int:
    major, _, minor = text.partition(".")
    if major != "2" or not minor.isdecimal() or int(minor) < 17:
        raise argparse.ArgumentTypeError(f"{text} is not a glibc from 2.17 on")
    return int(minor)


def _lambda(options: argparse.Namespace) -> int:
    target = _target("lambda", options)
    made = package_lambda(
        options.out,
        target,
        _inputs(options),
        handler=options.handler,
        layers=options.layers,
        force=options.force,
        progress=_progress,
    )
    return _report(made, target, options, f"handler       {made.entry}")


def _gcf(options: argparse.Namespace) -> int:
    target = _target("gcf", options)
    made = package_gcf(options.out, target, _inputs(options), force=options.force, progress=_progress)
    last = f"entry point   {made.entry.rpartition('.')[2]}; 2nd gen states no limit of its own"
    return _report(made, target, options, last)


def _container(options: argparse.Namespace) -> None:
    made = package_container(
        options.out,
        _target("container", options),
        _inputs(options),
        server=options.server,
        handler=options.handler,
        force=options.force,
        progress=_progress,
    )
    write_stdout(
        f"made          {made.path}, {made.size / 1e6:,.1f} MB before the base image; an image may be 10 GB"
    )
    write_stdout(f"build         docker build --network=none --tag clinspan-function {made.path}")


def _wheelhouse(options: argparse.Namespace) -> None:
    made = package_wheelhouse(
        options.out,
        _target("wheelhouse", options),
        _inputs(options),
        force=options.force,
        progress=_progress,
    )
    write_stdout(f"made          {made.path}, {made.size / 1e6:,.1f} MB, {len(made.wheels)} wheels")
    write_stdout(f"install       sh {made.path}/install.sh FOLDER")


def _report(made: Package, target: Target, options: argparse.Namespace, last: str) -> int:
    write_stdout(made.text)
    write_stdout("")
    for archive in made.archives:
        write_stdout(f"made          {archive}, {archive.stat().st_size / 1e6:,.1f} MB")
    write_stdout(f"left out      {sum(made.left_out.values()) / 1e6:,.1f} MB that inference never imports")
    write_stdout(f"binaries      {made.binaries}, all {target.arch}")
    write_stdout(last)
    if made.tested is not None:
        write_stdout(
            f"self-test     passed alone in Python {target.python}: {made.tested.found} {made.tested.what}"
        )
        return DONE
    why = f"this machine cannot run {target.arch} binaries"
    if target.is_host:
        why = f"no Python {target.python} found here; name one with --interpreter"
    write_stdout(f"self-test     NOT RUN: {why}")
    say(f"the package was made and never run: {why}")  # where standard output goes to a file
    return UNTESTED if options.require_self_test else DONE


def _target(service: str, options: argparse.Namespace) -> Target:
    return targets.target(service, arch=options.arch, python=options.python, glibc=options.glibc)


def _inputs(options: argparse.Namespace) -> Inputs:
    return Inputs(
        model=model_folder(options.model),
        precision=options.precision,
        wheels=options.wheels,
        interpreter=options.interpreter,
        keep=tuple(options.keep),
        sbom=options.sbom,
    )


def _progress(line: str) -> None:
    say(line)
