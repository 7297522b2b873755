"""The files of a checkpoint, in a folder or on the Hub, and what its config.json says before transformers reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinspan.errors import ClinspanError
from clinspan.strict_json import parse_object
from clinspan_export.errors import ExportError

CONFIG, ADAPTER = "config.json", "adapter_config.json"

# Weights as transformers saves them, in one file or several; the others hold the same ones for other frameworks.
_WEIGHTS = ("model*.safetensors", "pytorch_model*.bin", "tf_model*.h5", "flax_model*.msgpack")
# What training leaves beside them.
_TRAINING = (
    "optimizer*", "scheduler*", "rng_state*", "training_args.bin", "training_state.pt", "scaler.pt", "trainer_state*",
)  # fmt: skip
_COMMIT = re.compile("[0-9a-f]{40}")
_MAY_HOLD_WEIGHTS = {".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".npz", ".h5", ".msgpack"}


@dataclass(frozen=True, slots=True)
class CheckpointFiles:
    """A checkpoint as it lies on disk or on the Hub.

    Attributes:
        source: folder or Hub id, as given.
        folder: where its config.json lies; that of the Hub's cache for a Hub id.
        names: its files, without those in folders inside it.
        config: content of config.json; empty for an adapter that has none.
    """

    source: str
    folder: Path
    names: frozenset[str]
    config: Mapping[str, Any]

    @property
    def commit(self) -> str:
        """The commit of the Hub's repository, which the folders of its cache are named for; empty for a local folder."""
        if self.folder == Path(self.source):
            return ""
        return self.folder.name if _COMMIT.fullmatch(self.folder.name) else ""

    @property
    def is_adapter_alone(self) -> bool:
        """Whether this is an adapter that needs the weights of another checkpoint."""
        return ADAPTER in self.names and not any(_matches(name, _WEIGHTS) for name in self.names)

    @property
    def strangers(self) -> list[str]:
        """Files that may hold weights and are not the model's own as transformers names them."""
        return sorted(
            name
            for name in self.names
            if Path(name).suffix in _MAY_HOLD_WEIGHTS and not _matches(name, (*_WEIGHTS, *_TRAINING))
        )


def find_files(source: str, revision: str | None) -> CheckpointFiles:
    """Look at a checkpoint without loading it; of a Hub id, config.json is downloaded.

    Raises:
        ExportError: a folder holds no checkpoint, or its config.json is damaged.
        OSError: the Hub or its cache does not have it.
    """
    folder = Path(source)
    if folder.is_dir():
        return _in_folder(source, folder)
    from transformers.utils import cached_file

    place = cached_file(source, CONFIG, revision=revision, _raise_exceptions_for_missing_entries=False)
    if place is None:
        place = cached_file(source, ADAPTER, revision=revision)
    found = _in_folder(source, Path(place).parent)
    names = found.names | _on_the_hub(source, revision)
    return CheckpointFiles(source, found.folder, frozenset(names), found.config)


def _in_folder(source: str, folder: Path) -> CheckpointFiles:
    names = frozenset(path.name for path in folder.iterdir() if path.is_file())
    if CONFIG not in names:
        if ADAPTER in names:
            return CheckpointFiles(source, folder, names, {})
        raise ExportError(f"{source} has no {CONFIG}: expected a Hugging Face checkpoint folder")
    return CheckpointFiles(source, folder, names, read_json(source, folder / CONFIG))


def read_json(source: str, path: Path) -> dict[str, Any]:
    """Read a JSON object of a checkpoint.

    Raises:
        ExportError: it is damaged.
    """
    try:
        return parse_object(path.read_bytes(), path.name)
    except ClinspanError as error:
        # Infinity and NaN are not JSON, but Python writes them.
        try:
            return dict(json.loads(path.read_bytes()))
        except (ValueError, TypeError):
            raise ExportError(f"{source} cannot be loaded ({error})") from error


def held_file(source: str, commit: str, name: str) -> Path | None:
    """A file of a checkpoint that was loaded, in its folder or in the Hub's cache; None where it has none."""
    from transformers.utils import cached_file

    path = cached_file(
        source,
        name,
        revision=commit or None,
        local_files_only=True,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return None if path is None else Path(path)


def _on_the_hub(source: str, revision: str | None) -> set[str]:
    """Names of a repository's files; none where the Hub cannot be asked, and only its cache is there."""
    import huggingface_hub

    try:
        listed = huggingface_hub.HfApi().list_repo_files(source, revision=revision)
    except Exception:  # noqa: BLE001 - offline in one of many ways; the cache is all there is
        return set()
    return {name for name in listed if "/" not in name}


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(Path(name).match(pattern) for pattern in patterns)
