"""The story, top to bottom: a note becomes tokens, windows, logits, words, spans."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from clinspan.bundle.loading import MAX_CHARACTERS, Loaded, Settings, load, with_profile
from clinspan.engine.schedule import Deadline, in_batches, in_order
from clinspan.engine.workers import Workers
from clinspan.errors import ClosedError, InputError
from clinspan.options import of_kind
from clinspan.pipeline import Document, Job, jobs, named, own_logits, tokens, window_ids, window_words
from clinspan.report import Report, report_on
from clinspan.text.decode import (
    AGGREGATIONS,
    Span,
    Threshold,
    Words,
    label_table,
    score_limits,
    spans,
)
from clinspan.text.windows import Window, plan

Item = TypeVar("Item")
Result = TypeVar("Result")

# Windows handed out per worker before the oldest is waited for: enough that no worker ever waits for the
# caller's thread, few enough that a stream of notes stays in bounded memory.
_AHEAD = 8

# Calls of `arecognize` that run at once, per worker; a long note among them must not hold up the short ones.
_CALLERS = 4

# A GPU is busy only with many windows at once; so many tokens fill one, and their activations fit.
_GPU_BATCH_TOKENS = 16_384
_BATCHING_PROVIDERS = {"CUDAExecutionProvider"}


class Recognizer:
    """Finds entities in notes of any length. Make one with `Recognizer.load`.

    One recognizer may be shared by many threads. The same note gives the same spans and scores, to the
    bit, alone or among any others, as long as it runs on CPU.
    """

    _last_unpickled: ClassVar[Recognizer | None] = None

    def __init__(self, loaded: Loaded) -> None:
        self._bundle, model, settings = loaded.bundle, loaded.model, loaded.settings
        self._model = model
        self._tokenizer = loaded.tokenizer
        self._precision = loaded.precision
        self._settings = settings
        self._max_characters = MAX_CHARACTERS if settings is None else settings.max_characters
        self._table = label_table(self._bundle.labels)
        self._batch_tokens = _GPU_BATCH_TOKENS if model.session.provider in _BATCHING_PROVIDERS else 0
        self._workers = Workers(loaded.workers, "clinspan")
        self._callers = Workers(loaded.workers * _CALLERS, "clinspan-call")
        self._closed = False

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
        max_characters: int = MAX_CHARACTERS,
        verify: str = "full",
        public_key: str | Path | None = None,
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
            max_characters: longest note that is read; a longer one is refused, never cut.
            verify: what is checked before it is loaded: `full` for size and sha256 of every file, `size`, or
                `off`, which also leaves out whether the parts fit together. Hashing takes 17 ms of CPU time
                for the starter and 76 ms for a BERT-base of 110 MB in int8; docs/evidence/reliability.md has more.
            public_key: PEM file of an Ed25519 key; only a bundle that it signed is loaded. Needs the
                `signing` extra.

        Raises:
            BundleError: the folder cannot be used.
            DeviceError: the device does not really run here.
            InputError: an option makes no sense for this bundle.
            MissingDependencyError: onnxruntime is not installed.

        >>> Recognizer.load().report().precision
        'int8'
        """
        of_kind("path", path, (str, os.PathLike), "a path")
        of_kind("profile", profile, (str, os.PathLike), "a path")
        settings = Settings(
            path=None if path is None else Path(path).absolute(),
            device=device,
            precision=precision,
            threads=threads,
            window=window,
            overlap=overlap,
            session_options=session_options,
            reuse=reuse,
            max_characters=max_characters,
            verify=verify,
            public_key=None if public_key is None else Path(public_key).absolute(),
        )
        return cls(load(settings if profile is None else with_profile(settings, Path(profile))))

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
            ClosedError: the recognizer was closed before or meanwhile.

        >>> [span.text for span in Recognizer.load().recognize("She has pneumonia.")]
        ['pneumonia']
        """
        return self._recognize(note, threshold, *self._checked(threshold, aggregation, timeout))

    def _recognize(self, note: str, threshold: Threshold, vote: str, deadline: Deadline) -> list[Span]:
        document = self._read(note, 0, deadline)
        if len(document.windows) != 1:
            return next(self._pipe(iter([document]), threshold, vote, deadline))
        self._check(0, deadline)
        words = self._infer(document, document.windows[0], vote, alone=True)
        return spans(note, document.encoding, [words], self._table, threshold=threshold)

    async def arecognize(
        self,
        note: str,
        *,
        threshold: Threshold = 0.0,
        aggregation: str | None = None,
        timeout: float | None = None,
    ) -> list[Span]:
        """Find the entities of one note without blocking the event loop.

        As `recognize`, on a thread of the recognizer's own, four calls per core at once. Cancelling the task
        that awaits it stops the work before the next window.

        >>> import asyncio
        >>> [span.text for span in asyncio.run(Recognizer.load().arecognize("She has pneumonia."))]
        ['pneumonia']
        """
        import asyncio  # the caller has it already; others need not pay for it

        vote, deadline = self._checked(threshold, aggregation, timeout)
        try:
            call = self._callers.submit(self._recognize, note, threshold, vote, deadline)
            return await asyncio.wrap_future(call)
        finally:
            deadline.given_up.set()

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
            InputError, InferenceError, DeadlineError, ClosedError: as in `recognize`, in the note's turn,
                after the results of the notes before it; the number of the note is in the message.
        """
        vote, deadline = self._checked(threshold, aggregation, timeout)
        if isinstance(notes, str):
            raise InputError("notes is one string: pass a list of notes, or use recognize()")
        if not isinstance(notes, Iterable):
            raise InputError(f"notes is a {type(notes).__name__}: expected an iterable of texts")
        documents = (self._read(note, number, deadline) for number, note in enumerate(notes))
        return self._pipe(documents, threshold, vote, deadline)

    def _checked(
        self, threshold: Threshold, aggregation: str | None, timeout: float | None
    ) -> tuple[str, Deadline]:
        """The options of a call: refused at once if wrong, not when the first result is taken."""
        self._check_open()
        vote = self._bundle.aggregation if aggregation is None else aggregation
        if not isinstance(vote, str) or vote not in AGGREGATIONS:
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
            self._check(document.number, deadline)
            return None if window is None else self._infer(document, window, vote)

        def several(batch: Sequence[Job]) -> list[Words | None]:
            first, _ = batch[0]
            self._check(first.number, deadline)
            contents = [window_ids(document, window) for document, window in batch if window is not None]
            with named(first):
                logits = iter(self._model.batch(contents) if contents else [])
            return [None if w is None else window_words(d, w, next(logits), vote) for d, w in batch]

        if self._batch_tokens:
            return in_batches(windows, tokens, several, tokens=self._batch_tokens)
        return self._in_order(windows, one)

    def _in_order(self, work: Iterable[Item], run: Callable[[Item], Result]) -> Iterator[tuple[Item, Result]]:
        count = self._workers.count
        return in_order(work, run, executor=self._workers if count > 1 else None, ahead=count * _AHEAD)

    def token_logits(self, note: str) -> npt.NDArray[np.float32]:
        """The model's logits for every token of a note, float32 (n, c), stitched from its windows."""
        _, unlimited = self._checked(0.0, None, None)
        document = self._read(note, 0, unlimited)

        def one(window: Window) -> npt.NDArray[np.float32]:
            self._check(0, unlimited)
            with named(document):
                return own_logits(window, self._model.logits(window_ids(document, window)))

        runs = self._in_order(document.windows, one)
        parts = [logits for _, logits in runs]
        return np.concatenate(parts) if parts else np.zeros((0, len(self._bundle.labels.names)), np.float32)

    def report(self) -> Report:
        """Say what is in use: model, precision, provider, workers, windows, versions."""
        return report_on(self._bundle, self._precision, self._model.session, self._workers.count)

    def close(self) -> None:
        """End the threads and give the memory back; again is no error.

        Calls under way in other threads end at their next window with ClosedError, unless they are done by
        then. Works as a context manager too: `with Recognizer.load() as recognizer`.
        """
        self._closed = True
        self._callers.close()
        self._workers.close()
        self._model.close()

    def __enter__(self) -> Recognizer:
        self._check_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[[Settings], Recognizer], tuple[Settings]]:
        """Pickle as the folder's path and the settings: nothing that was read, and no weights."""
        self._check_open()
        if self._settings is None:
            raise TypeError("only a recognizer made by Recognizer.load can be pickled")
        return type(self)._unpickle, (self._settings,)

    @classmethod
    def _unpickle(cls, settings: Settings) -> Recognizer:
        """Load what was pickled, unless it was the last: a pool of processes unpickles it with every task."""
        last = Recognizer._last_unpickled
        if last is None or last._closed or type(last) is not cls or last._settings != settings:
            last = Recognizer._last_unpickled = cls(load(settings))
        return last

    def __copy__(self) -> Recognizer:
        """The same: threads may share one, and a second would hold the model twice."""
        return self

    def __deepcopy__(self, memo: object) -> Recognizer:
        return self

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError

    def _check(self, number: int, deadline: Deadline) -> None:
        """Raise where a call is to stop; asked between windows."""
        self._check_open()
        deadline.check(number)

    def _read(self, note: str, number: int, deadline: Deadline) -> Document:
        self._check(number, deadline)
        if not isinstance(note, str):
            raise InputError(f"note {number} is a {type(note).__name__}: expected a str")
        if len(note) > self._max_characters:
            raise InputError(
                f"note {number} has {len(note):,} characters, and at most {self._max_characters:,} are read: "
                "cut it, or allow more with Recognizer.load(max_characters=...)"
            )
        encoding = self._tokenizer.encode(note, between=partial(self._check, number, deadline))
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
