"""From a model folder and settings to all that a recognizer works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from clinspan.bundle.manifest import Bundle, open_bundle
from clinspan.bundle.self_check import check_answer, check_frame, checked_model
from clinspan.engine.cores import available_cores
from clinspan.engine.model import Model
from clinspan.engine.profile import read_profile
from clinspan.engine.session import Device, Session
from clinspan.errors import BundleError, InputError
from clinspan.options import of_kind, whole
from clinspan.text.tokenizer import Tokenizer
from clinspan.text.windows import check

STARTER = Path(__file__).parents[1] / "starter"

# To tokenize a note of this length takes 400 MB, and to read it minutes; what is longer is likely no note.
MAX_CHARACTERS = 20_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """How a recognizer was loaded, and so how to load it again, in another process too.

    Attributes:
        path: of the model folder, absolute; None for the bundled starter, wherever it lies.
        sha256: of the model and of the tokenizer that were loaded; empty where the folder records none.

    The others are as in `Recognizer.load`.
    """

    path: Path | None
    device: str = "cpu"
    precision: str | None = None
    threads: int | None = None
    window: int | None = None
    overlap: int | None = None
    session_options: Mapping[str, Any] | None = None
    reuse: int = 0
    max_characters: int = MAX_CHARACTERS
    verify: str = "full"
    public_key: Path | None = None
    sha256: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a recognizer works with, and the settings that would load it again; None where nothing would."""

    bundle: Bundle
    model: Model
    tokenizer: Tokenizer
    precision: str
    workers: int
    settings: Settings | None = None


def load(settings: Settings) -> Loaded:
    """Load a model folder; raises as `Recognizer.load`."""
    device = Device.parse(settings.device)
    _check_kinds(settings)
    opened = open_bundle(
        STARTER if settings.path is None else settings.path,
        verify=settings.verify,
        public_key=settings.public_key,
    )
    bundle = _with_windows(opened, settings.window, settings.overlap)
    precision = bundle.precision(settings.precision, device.kind)
    record = bundle.models[precision]
    sha256 = (record.sha256, bundle.tokenizer.sha256)
    if settings.sha256 and settings.sha256 != sha256:
        raise BundleError(
            f"{bundle.path} holds another {precision} model or tokenizer than the recognizer that was pickled: "
            "every process must find the same bundle under this path"
        )
    tokenizer = Tokenizer(bundle.path / bundle.tokenizer.path, bundle.read_tokenizer())
    check_frame(bundle, tokenizer)
    cores = settings.threads or available_cores() if device.kind == "cpu" else 1

    def session(threads: int) -> Session:
        return Session(
            # Checked each time: the file may have been replaced since the first session was made.
            checked_model(bundle, precision, tokenizer),
            device=device,
            classes=len(bundle.labels.names),
            threads=threads,
            options=settings.session_options,
        )

    narrow = session(1)
    check_answer(bundle, precision, narrow, tokenizer)
    wider = cores > 1 and "intra_op_num_threads" not in (settings.session_options or {})
    model = Model(
        narrow,
        tokenizer,
        widen=partial(session, cores) if wider else None,
        reuse=settings.reuse,
    )
    return Loaded(bundle, model, tokenizer, precision, cores, replace(settings, sha256=sha256))


def with_profile(settings: Settings, profile: Path) -> Settings:
    """The settings with those that a profile adds; what was given explicitly wins."""
    _check_kinds(settings)
    saved = read_profile(profile)
    return replace(
        settings,
        threads=saved.get("threads") if settings.threads is None else settings.threads,
        session_options={**saved.get("session_options", {}), **(settings.session_options or {})},
    )


def _check_kinds(settings: Settings) -> None:
    of_kind("session_options", settings.session_options, (Mapping,), "a mapping")
    if settings.threads is not None:
        whole("threads", settings.threads, least=1)
    whole("reuse", settings.reuse, least=0, unit="windows")
    whole("max_characters", settings.max_characters, least=1)


def _with_windows(bundle: Bundle, window: int | None, overlap: int | None) -> Bundle:
    """The bundle with the caller's windows in place of its own."""
    window = bundle.window if window is None else window
    overlap = bundle.overlap if overlap is None else overlap
    check(window, overlap)
    if window > bundle.max_window:
        raise InputError(f"window is {window} tokens, and the model can read {bundle.max_window}")
    return replace(bundle, window=window, overlap=overlap)
