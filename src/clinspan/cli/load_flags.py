"""The flags of loading a model, made from `LoadOptions`, and the model that they ask for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from clinspan.bundle.hub_folder import cached_folder, is_hub_name
from clinspan.bundle.load_options import LoadOptions
from clinspan.classifier import Classifier
from clinspan.cli.console import UsageError, exists, named
from clinspan.embedder import Embedder
from clinspan.errors import BundleError, InputError
from clinspan.extract.models import by_task
from clinspan.extract.models.by_task import AnyModel
from clinspan.recognizer import Recognizer

Model = TypeVar("Model")


def add_load_flags(parser: argparse.ArgumentParser) -> None:
    """Add --model, and a flag for every option of loading that has one."""
    add_model_flag(parser)
    for option in fields(LoadOptions):
        flag = option.metadata["flag"]
        if flag:
            name = f"--{option.name.replace('_', '-')}"
            parser.add_argument(name, default=option.default, help=option.metadata["help"], **flag)


def add_model_flag(parser: argparse.ArgumentParser) -> None:
    """Add --model."""
    parser.add_argument(
        "--model",
        metavar="DIR",
        help="bundle or ONNX folder, or org/name in the local Hub cache; by default the bundled starter model",
    )


def model_folder(path: str | None) -> str | None:
    """The folder that --model means: itself, or where the local Hub cache has `org/name`; None is the starter.

    Raises:
        UsageError: there is no such folder.
    """
    if path is None or (exists(path) and Path(path).is_dir()):
        return path
    if named(path) != path or not is_hub_name(path):
        raise UsageError(f"{named(path)} is not a folder")
    try:
        return str(cached_folder(path))
    except BundleError as error:
        raise UsageError(str(error)) from error


def load(options: argparse.Namespace) -> Recognizer:
    """Load the model that the flags ask for.

    Raises:
        UsageError: there is no such folder, or a flag makes no sense for the model.
        ClinspanError: the model cannot be used.
    """
    return _loaded(Recognizer.load, options)


def load_classifier(options: argparse.Namespace) -> Classifier:
    """Load the classifier that the flags ask for; raises as `load`."""
    return _loaded(Classifier.load, options)


def load_embedder(options: argparse.Namespace) -> Embedder:
    """Load the embedder that the flags ask for; raises as `load`."""
    return _loaded(Embedder.load, options)


def load_any(options: argparse.Namespace) -> AnyModel:
    """Load the model that the flags ask for, whatever it is for; raises as `load`."""
    return _loaded(by_task.load_any, options)


def _loaded(loader: Callable[..., Model], options: argparse.Namespace) -> Model:
    model = model_folder(options.model)
    if options.profile is not None and not exists(options.profile):
        raise UsageError(f"--profile {named(options.profile)}: no such file")
    given = {
        option.name: getattr(options, option.name)
        for option in fields(LoadOptions)
        if option.metadata["flag"]
    }
    try:
        return loader(model, options=LoadOptions(**given))
    except InputError as error:  # no note was read yet: an option is wrong
        raise UsageError(str(error)) from error
