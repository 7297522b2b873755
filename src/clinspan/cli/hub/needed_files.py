"""The files of a repository that a model folder needs: those that a manifest lists, or those of an ONNX folder."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from clinspan.bundle.hub_folder import model_paths
from clinspan.bundle.integrity import DATA_SUFFIX, FileRecord
from clinspan.bundle.manifest import MANIFEST, PRECISIONS, open_bundle
from clinspan.bundle.signature import SIGNATURE
from clinspan.cli.hub.repository import Repository
from clinspan.errors import BundleError, InputError

# What is read of a folder without a manifest, and what other runtimes read of its tokenizer.
_SETTINGS = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "modules.json",
    "sentence_bert_config.json",
)  # fmt: skip
_REQUIRED = ("config.json", "tokenizer.json")
_MODULE = re.compile(r"\d+_\w+/config\.json")  # of sentence-transformers


def fill(folder: Path, repository: Repository, precision: str | None) -> None:
    """Download what a model folder needs.

    Args:
        folder: to fill.
        repository: to take the files from.
        precision: the only one to take; None for all that a manifest lists, or for the best for a CPU.

    Raises:
        BundleError: the repository has no model that clinspan reads, or a file cannot be had or is damaged.
        InputError: it has no such precision.
    """
    if MANIFEST in repository.files:
        _fill_bundle(folder, repository, precision)
        return
    for path in _of_onnx_folder(repository.files, repository.name, precision):
        repository.download(path, folder)


def _fill_bundle(folder: Path, repository: Repository, precision: str | None) -> None:
    repository.download(MANIFEST, folder)
    bundle = open_bundle(folder)
    if precision is not None and list(bundle.models) != [precision]:
        bundle = replace(bundle, models={precision: bundle.models[bundle.precision(precision)]})
        bundle.write_manifest()  # lists what is here; a signature of the other would not fit
    elif SIGNATURE in repository.files:
        repository.download(SIGNATURE, folder)
    for record in (bundle.tokenizer, *bundle.models.values()):
        for path in _paths(record):
            if path not in repository.files:
                raise BundleError(f"{MANIFEST} of {repository.name} lists {path}, which is not there")
            repository.download(path, folder)
        bundle.file(record)


def _paths(record: FileRecord) -> list[str]:
    return [record.path] if record.data is None else [record.path, record.data.path]


def _of_onnx_folder(files: Collection[str], name: str, precision: str | None) -> list[str]:
    models = model_paths(lambda path: path in files)
    missing = [path for path in _REQUIRED if path not in files]
    if not models or missing:
        lacks = ", ".join([*missing, *([] if models else ["a model such as onnx/model.onnx"])])
        raise BundleError(
            f"{name} is not a model that clinspan reads as it is (it lacks {lacks}): for a checkpoint, "
            f"`clinspan-export {name} OUT` makes a bundle (the extra `export`)"
        )
    if precision is not None and precision not in models:
        raise InputError(f"precision {precision} is not in {name}: it has {', '.join(models)}")
    chosen = models[precision or next(one for one in PRECISIONS if one in models)]
    kept = [path for path in files if path in _SETTINGS or _MODULE.fullmatch(path)]
    return sorted(kept) + [path for path in (chosen, chosen + DATA_SUFFIX) if path in files]
