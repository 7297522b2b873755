"""From a model folder and options to everything that answers a note."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from clinspan.bundle.hub_folder import cached_folder, is_hub_name
from clinspan.bundle.load_options import LoadOptions, with_given
from clinspan.bundle.manifest import Bundle, open_bundle
from clinspan.bundle.model_file import ModelFile
from clinspan.bundle.self_check import check_answer, check_frame, check_rows
from clinspan.bundle.tasks import ANSWERS, TOKEN_VECTORS, TOKENS, check_task, width_of
from clinspan.engine.cores import available_cores
from clinspan.engine.model import Model
from clinspan.engine.providers import Device
from clinspan.engine.session import Session, loses_products
from clinspan.errors import BundleError, InputError
from clinspan.options import as_path
from clinspan.text.merge import Vectors, pool_tokens
from clinspan.text.tokenizer import Tokenizer
from clinspan.text.windows import check

_log = logging.getLogger(__name__)

STARTER = Path(__file__).parents[1] / "starter"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model came from, and so how to load it again, in another process too.

    Attributes:
        path: of the model folder, absolute; None for the bundled starter, wherever it lies.
        options: how it was loaded.
        sha256: of the model, of the tokenizer and of the weights beside the model that were loaded; empty before they are, and where the folder
            records none.
    """

    path: Path | None
    options: LoadOptions
    sha256: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """The parts that a recognizer works with.

    Attributes:
        bundle: the folder's record, with the windows in use.
        model, tokenizer: what it holds.
        precision: of the model.
        workers: windows that run at once.
        origin: how to load the same again; None where nothing would.
        max_characters: of the longest note that is read.
    """

    bundle: Bundle
    model: Model
    tokenizer: Tokenizer
    precision: str
    workers: int
    origin: Origin | None = None
    max_characters: int = LoadOptions().max_characters


def origin_of(path: str | Path | None, options: LoadOptions | None, **given: Any) -> Origin:
    """Where a model is to be loaded from and how, as the arguments of a class's `load` say.

    Raises:
        BundleError: the name of a repository on the Hub is given, and the local cache does not have it.
        InputError: one of them makes no sense.
    """
    folder = as_path("path", path)
    chosen = with_given(options, **given)
    if isinstance(path, str) and is_hub_name(path):
        folder = cached_folder(path)
    return Origin(None if folder is None else folder.absolute(), chosen)


def load(origin: Origin, task: str = TOKENS) -> Loaded:
    """Load a model folder of a task; raises as `Recognizer.load`."""
    options = origin.options
    device = Device.parse(options.device)
    opened = open_bundle(
        STARTER if origin.path is None else origin.path,
        verify=options.verify,
        public_key=options.public_key,
        outside=options.outside,
        entity=options.entity,
    )
    check_task(opened.head, task, opened.name)
    bundle = _with_windows(opened, options.window, options.overlap)
    if options.words is not None:
        bundle = replace(bundle, words=options.words)
    if options.whole_words is not None:
        bundle = replace(bundle, whole_words=options.whole_words)
    precision = bundle.precision(options.precision, device.precisions)
    weights = bundle.models[precision].data
    sha256 = (
        bundle.models[precision].sha256,
        bundle.tokenizer.sha256,
        "" if weights is None else weights.sha256,
    )
    if origin.sha256 and origin.sha256 != sha256:
        raise BundleError(
            f"{bundle.path} holds another {precision} model or tokenizer than the one that was pickled: "
            "every process must find the same bundle under this path"
        )
    tokenizer = Tokenizer(bundle.path / bundle.tokenizer.path, bundle.read_tokenizer(), words=bundle.words)
    check_frame(bundle, tokenizer)
    threads = available_cores() if options.threads is None else options.threads
    cores = threads if device.is_cpu else 1

    pool = None
    if isinstance(bundle.head, Vectors) and not bundle.head.graph_pools:
        pool = partial(pool_tokens, vectors=bundle.head)

    # Checked each time that a session is made: the file may have been replaced meanwhile.
    model_file = ModelFile(bundle, precision, spare_core=threads > 1)

    def session(threads: int) -> Session:
        return Session(
            model_file.path,
            source=model_file,
            device=device,
            classes=width_of(bundle.head),
            answer=ANSWERS[task],
            instead=TOKEN_VECTORS if pool is not None else (),
            threads=threads,
            options=options.session_options,
            provider_options=options.provider_options,
        )

    if precision == "int8" and device.is_cpu and not bundle.reduced_range:
        _warn_without_vnni()
    narrow = session(threads if device.shares_windows else 1)
    check_rows(bundle, precision, model_file.rows, tokenizer)
    check_answer(bundle, precision, narrow, tokenizer)
    wider = cores > 1 and "intra_op_num_threads" not in (options.session_options or {})
    model = Model(
        narrow, tokenizer, widen=partial(session, cores) if wider else None, reuse=options.reuse, pool=pool
    )
    return Loaded(
        bundle, model, tokenizer, precision, cores, replace(origin, sha256=sha256), options.max_characters
    )


@cache
def _warn_without_vnni() -> None:
    """Say once in a process that int8 may answer differently here."""
    if loses_products():
        _log.warning(
            "this processor has no VNNI, and sums of 8-bit products overflow on it: int8 finds a few spans otherwise than "
            "elsewhere; precision='fp32', or a bundle that was exported with --reduced-range, does not"
        )


def _with_windows(bundle: Bundle, window: int | None, overlap: int | None) -> Bundle:
    """The bundle with the caller's windows in place of its own."""
    window = bundle.window if window is None else window
    overlap = bundle.overlap if overlap is None else overlap
    check(window, overlap)
    if window > bundle.max_window:
        raise InputError(f"window is {window} tokens, and the model can read {bundle.max_window}")
    return replace(bundle, window=window, overlap=overlap)
