"""The story, top to bottom: a note becomes tokens, windows, logits, words, spans."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan.bundle import Bundle, open_bundle
from clinspan.decode import (
    AGGREGATIONS,
    Span,
    Threshold,
    Words,
    label_table,
    score_limits,
    spans,
)
from clinspan.document import Document, Job, jobs, named, own_logits, tokens, window_ids, window_words
from clinspan.errors import BundleError, InputError
from clinspan.model import Model
from clinspan.profile import read_profile
from clinspan.report import Report
from clinspan.schedule import Deadline, in_batches, in_order
from clinspan.session import Device, Session, available_cores
from clinspan.tokenizer import Tokenizer
from clinspan.windows import Window, check, plan

STARTER = Path(__file__).parent / "starter"

# Windows handed out per worker before the oldest is waited for: enough that no worker ever waits for the
# caller's thread, few enough that a stream of notes stays in bounded memory.
_AHEAD = 8

# A GPU is busy only with many windows at once; so many tokens fill one, and their activations fit.
_GPU_BATCH_TOKENS = 16_384
_BATCHING_PROVIDERS = {"CUDAExecutionProvider"}


class Recognizer:
    """Finds entities in notes of any length. Make one with `Recognizer.load`.

    One recognizer may be shared by many threads. The same note gives the same spans and scores, to the
    bit, alone or among any others, as long as it runs on CPU.
    """

    def __init__(
        self, bundle: Bundle, model: Model, tokenizer: Tokenizer, precision: str, workers: int
    ) -> None:
        self._bundle = bundle
        self._model = model
        self._tokenizer = tokenizer
        self._precision = precision
        self._workers = workers
        self._table = label_table(bundle.labels)
        self._batch_tokens = _GPU_BATCH_TOKENS if model.session.provider in _BATCHING_PROVIDERS else 0
        self._executor: ThreadPoolExecutor | None = None
        self._start_workers()
        _watch_forks().add(self)

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        device: str = "cpu",
        precision: str | None = None,
        threads: int | None = None,
        window: int | None = None,
        overlap: int | None = None,
        session_options: Mapping[str, Any] | None = None,
        reuse: int = 0,
        profile: str | Path | None = None,
    ) -> Recognizer:
        """Load a model folder.

        Args:
            path: a bundle or any ONNX token classification folder; None for the bundled starter model.
            device: `cpu`, `cuda` or `cuda:N`. Never falls back to another.
            precision: `int8`, `fp32` or `fp16`; None for int8 on CPU and fp16 on GPU where the bundle
                has it.
            threads: cores to use; None for those that this process may use (affinity and cgroup).
            window: tokens that one run reads, without special tokens; None for the bundle's.
            overlap: tokens that neighbouring windows share; None for the bundle's.
            session_options: onnxruntime settings by name, for experts; see `Session`.
            reuse: keep the logits of the last so many windows, in memory only, and do not compute the same
                window twice; for notes that copy each other. Windows then end at sections, so that a
                copied section gives the same ones. A kept window takes 4 bytes a token and label.
            profile: file that `clinspan bench --save` wrote: threads and session options that measured best
                on this machine; what is given here wins.

        Raises:
            BundleError: the folder cannot be used.
            DeviceError: the device does not really run here.
            InputError: an option makes no sense for this bundle.
            MissingDependencyError: onnxruntime is not installed.

        >>> Recognizer.load().report().precision
        'int8'
        """
        place = Device.parse(device)
        if profile is not None:
            saved = read_profile(Path(profile))
            threads = saved.get("threads") if threads is None else threads
            session_options = {**saved.get("session_options", {}), **(session_options or {})}
        if threads is not None and threads < 1:
            raise InputError(f"threads is {threads}: expected at least 1")
        if reuse < 0:
            raise InputError(f"reuse is {reuse} windows: expected 0 or more")
        bundle = _with_windows(open_bundle(STARTER if path is None else path), window, overlap)
        chosen = bundle.precision(precision, place.kind)
        tokenizer = Tokenizer(bundle.file(bundle.tokenizer))
        _check_frame(bundle, tokenizer)
        cores = (available_cores() if threads is None else threads) if place.kind == "cpu" else 1
        path_of_model = bundle.file(bundle.models[chosen])

        def session(threads: int) -> Session:
            return Session(
                path_of_model,
                device=place,
                classes=len(bundle.labels.names),
                threads=threads,
                options=session_options,
            )

        wider = cores > 1 and "intra_op_num_threads" not in (session_options or {})
        model = Model(session(1), tokenizer, widen=partial(session, cores) if wider else None, reuse=reuse)
        return cls(bundle, model, tokenizer, chosen, cores)

    def _start_workers(self) -> None:
        self._executor = ThreadPoolExecutor(self._workers, "clinspan") if self._workers > 1 else None

    def recognize(
        self,
        note: str,
        *,
        threshold: Threshold = 0.0,
        aggregation: str | None = None,
        timeout: float | None = None,
    ) -> list[Span]:
        """Find the entities of one note.

        Args:
            note: the text, of any length.
            threshold: leave out spans that score less; a probability, or one per label name.
            aggregation: how tokens vote for a word's label: `first`, `average`, `max` or `simple`, with the
                meaning they have in transformers; None for the bundle's default.
            timeout: seconds from this call after which no further window is started; None for no limit.

        Returns:
            Spans in note order, never overlapping; `note[span.start:span.end] == span.text`.

        Raises:
            InputError: the note is no string, or an option is unknown.
            InferenceError: the model's answer cannot be used.
            DeadlineError: the timeout passed before the whole note was read.

        >>> [span.text for span in Recognizer.load().recognize("She has pneumonia.")]
        ['pneumonia']
        """
        vote, deadline = self._checked(threshold, aggregation, timeout)
        document = self._read(note, 0)
        if len(document.windows) != 1:
            return next(self._pipe(iter([document]), threshold, vote, deadline))
        deadline.check(0)
        words = self._infer(document, document.windows[0], vote, alone=True)
        return spans(note, document.encoding, [words], self._table, threshold=threshold)

    def pipe(
        self,
        notes: Iterable[str],
        *,
        threshold: Threshold = 0.0,
        aggregation: str | None = None,
        timeout: float | None = None,
    ) -> Iterator[list[Span]]:
        """Find the entities of many notes, lazily, in order, in bounded memory.

        Args:
            notes: any iterable of texts; drawn as results are taken, a few notes ahead.
            threshold: as in `recognize`.
            aggregation: as in `recognize`.
            timeout: seconds from this call, for all notes together, after which no further window is
                started; notes that are complete by then are still given.

        Yields:
            The spans of each note, one list a note, an empty one for a note without entities.

        Raises:
            InputError, InferenceError, DeadlineError: as in `recognize`; the number of the note is in the
                message.
        """
        vote, deadline = self._checked(threshold, aggregation, timeout)
        if isinstance(notes, str):
            raise InputError("notes is one string: pass a list of notes, or use recognize()")
        # A note whose turn comes too late is not read; `_pipe` refuses it, after the notes before it.
        documents = (
            self._read("" if deadline.passed() else note, number) for number, note in enumerate(notes)
        )
        return self._pipe(documents, threshold, vote, deadline)

    def _checked(
        self, threshold: Threshold, aggregation: str | None, timeout: float | None
    ) -> tuple[str, Deadline]:
        """The options of a call: refused at once if wrong, not when the first result is taken."""
        vote = self._bundle.aggregation if aggregation is None else aggregation
        if vote not in AGGREGATIONS:
            raise InputError(f"unknown aggregation {vote!r}: expected one of {', '.join(AGGREGATIONS)}")
        score_limits(threshold, self._table.names)
        return vote, Deadline.after(timeout)

    def _pipe(
        self, documents: Iterator[Document], threshold: Threshold, vote: str, deadline: Deadline
    ) -> Iterator[list[Span]]:
        for (document, window), words in self._run(jobs(documents), vote, deadline):
            if words is not None:
                document.words.append(words)
            if window is None or window is document.windows[-1]:
                yield spans(
                    document.note, document.encoding, document.words, self._table, threshold=threshold
                )

    def _run(
        self, windows: Iterator[Job], vote: str, deadline: Deadline
    ) -> Iterator[tuple[Job, Words | None]]:
        """Words of each window, in order: windows one by one on workers, or in batches on a GPU."""

        def one(job: Job) -> Words | None:
            document, window = job
            deadline.check(document.number)
            return None if window is None else self._infer(document, window, vote)

        def several(batch: Sequence[Job]) -> list[Words | None]:
            first, _ = batch[0]
            deadline.check(first.number)
            contents = [window_ids(document, window) for document, window in batch if window is not None]
            with named(first):
                logits = iter(self._model.batch(contents) if contents else [])
            return [None if w is None else window_words(d, w, next(logits), vote) for d, w in batch]

        if self._batch_tokens:
            return in_batches(windows, tokens, several, tokens=self._batch_tokens)
        return in_order(windows, one, executor=self._executor, ahead=self._workers * _AHEAD)

    def token_logits(self, note: str) -> npt.NDArray[np.float32]:
        """The model's logits for every token of a note, float32 (n, c), stitched from its windows."""
        document = self._read(note, 0)
        runs = in_order(
            document.windows,
            lambda window: own_logits(window, self._model.logits(window_ids(document, window))),
            executor=self._executor,
            ahead=self._workers * _AHEAD,
        )
        parts = [logits for _, logits in runs]
        return np.concatenate(parts) if parts else np.zeros((0, len(self._bundle.labels.names)), np.float32)

    def report(self) -> Report:
        """Say what is in use: model, precision, provider, workers, windows, versions."""
        import tokenizers

        bundle = self._bundle
        return Report(
            model=bundle.name,
            path=str(bundle.path),
            precision=self._precision,
            provider=self._model.session.provider,
            workers=self._workers,
            threads=self._model.session.threads,
            window=bundle.window,
            overlap=bundle.overlap,
            aggregation=bundle.aggregation,
            labels=self._table.names,
            sha256=bundle.models[self._precision].sha256,
            versions={
                "numpy": np.__version__,
                "onnxruntime": self._model.session.version,
                "tokenizers": tokenizers.__version__,
            },
        )

    def _read(self, note: str, number: int) -> Document:
        if not isinstance(note, str):
            raise InputError(f"note {number} is a {type(note).__name__}: expected a str")
        encoding = self._tokenizer.encode(note)
        windows = plan(
            encoding.cuts,
            window=self._bundle.window,
            overlap=self._bundle.overlap,
            sections=self._model.cache is not None,
        )
        return Document(number, note, encoding, windows)

    def _infer(self, document: Document, window: Window, vote: str, *, alone: bool = False) -> Words:
        with named(document):
            logits = self._model.logits(window_ids(document, window), alone=alone)
        return window_words(document, window, logits, vote)


@cache
def _watch_forks() -> weakref.WeakSet[Recognizer]:
    """All recognizers, to be put right in forked processes."""
    recognizers: weakref.WeakSet[Recognizer] = weakref.WeakSet()

    def put_right() -> None:
        for recognizer in recognizers:
            # The child inherits the pool without its threads, and would wait for them for ever.
            recognizer._start_workers()
            recognizer._model.after_fork()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=put_right)
    return recognizers


def _with_windows(bundle: Bundle, window: int | None, overlap: int | None) -> Bundle:
    """The bundle with the caller's windows in place of its own."""
    window = bundle.window if window is None else window
    overlap = bundle.overlap if overlap is None else overlap
    check(window, overlap)
    if window > bundle.max_window:
        raise InputError(f"window is {window} tokens, and the model can read {bundle.max_window}")
    return replace(bundle, window=window, overlap=overlap)


def _check_frame(bundle: Bundle, tokenizer: Tokenizer) -> None:
    special = len(tokenizer.prefix) + len(tokenizer.suffix)
    if bundle.window + special > bundle.max_window + 2:
        raise BundleError(
            f"window {bundle.window} and {special} special tokens are more than the model's "
            f"{bundle.max_window + 2} positions"
        )
