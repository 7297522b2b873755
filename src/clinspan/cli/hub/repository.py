"""A model's repository on the Hub, through huggingface_hub: its files at one commit, and the download of some."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinspan.bundle.hub_folder import split_name
from clinspan.bundle.integrity import record_file
from clinspan.errors import BundleError, MissingDependencyError

_SECONDS = 30.0  # to wait for an answer


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at one commit.

    Attributes:
        name: `org/name`.
        commit: of its revision.
        files: path of each file -> its sha256, or an empty text where the Hub does not say it.
        api: of huggingface_hub.
    """

    name: str
    commit: str
    files: dict[str, str]
    api: Any

    def download(self, path: str, folder: Path) -> None:
        """Put a file into a folder.

        Raises:
            BundleError: it cannot be had, or is not the file that the Hub describes.
        """
        with _plain_errors(self.name, self.commit):
            self.api.hf_hub_download(self.name, path, revision=self.commit, local_dir=folder)
        if self.files[path] and record_file(folder, path).sha256 != self.files[path]:
            raise BundleError(f"{path} of {self.name} arrived without the sha256 that the Hub has for it")

    @staticmethod
    def tidy(folder: Path) -> None:
        """Remove the notes that huggingface_hub keeps of its downloads."""
        shutil.rmtree(folder / ".cache", ignore_errors=True)


def open_repository(name: str) -> Repository:
    """Ask the Hub for the files of `org/name` or `org/name@revision`.

    Raises:
        BundleError: the Hub cannot be reached, or has no such repository for this user; or the name is not one.
        MissingDependencyError: huggingface_hub is not installed.
    """
    repository, revision = split_name(name)
    api = _api()
    with _plain_errors(repository, revision):
        info = api.model_info(repository, revision=revision, files_metadata=True, timeout=_SECONDS)
    files = {file.rfilename: getattr(file.lfs, "sha256", None) or "" for file in info.siblings or ()}
    return Repository(repository, str(info.sha), files, api)


def _api() -> Any:
    # It would tell the Hub which libraries are installed here.
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if sys.stderr is None or not sys.stderr.isatty():
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise MissingDependencyError(
            "`clinspan pull` needs huggingface_hub: pip install huggingface_hub"
        ) from error
    return HfApi(endpoint=_endpoint())


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


@contextmanager
def _plain_errors(name: str, revision: str) -> Iterator[None]:
    """Turn the errors of huggingface_hub and of the libraries below it into BundleError, each one line."""
    try:
        yield
    except Exception as error:
        # Its versions use requests, httpx or httpx2, whose errors are not all OSErrors.
        if not isinstance(error, OSError) and not type(error).__module__.startswith(
            ("huggingface_hub", "http")
        ):
            raise
        raise BundleError(_reason(error, name, revision)) from error


def _reason(error: Exception, name: str, revision: str) -> str:
    from huggingface_hub import errors

    hub = f"the Hub ({_endpoint()})"
    log_in = "with `hf auth login` or the environment variable HF_TOKEN"
    if isinstance(error, errors.GatedRepoError):
        return f"{name} is gated: accept its conditions on {_endpoint()}/{name}, and log in {log_in}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"{hub} has no {name}, or shows it only to those who may read it and log in {log_in}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name} has no revision {revision}"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return f"{name} cannot be downloaded: HF_HUB_OFFLINE is set"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"{hub} answered {status} when it was asked for {name}"
    if type(error) in (OSError, PermissionError):
        assert isinstance(error, OSError)
        return f"a file of {name} cannot be written: {error.strerror}"
    return f"{hub} cannot be reached for {name} ({type(error).__name__}): is there a network?"
