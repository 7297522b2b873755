"""Find entities in notes: load, call, pipe, close. `pipeline.py` tells what happens to a note in between.

Over 300 lines, more than half of them docstrings and signatures of the public class.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from clinspan.bundle.load_options import LoadOptions
from clinspan.bundle.loading import Loaded, load, origin_of
from clinspan.bundle.tasks import TOKENS
from clinspan.engine.calls import Call
from clinspan.engine.model import Logits
from clinspan.errors import BundleError, ClinspanError, InferenceError, InputError
from clinspan.options import check_texts
from clinspan.pipeline import (
    Cutting,
    Job,
    TokenizedNote,
    by_note,
    job_ids,
    job_number,
    jobs,
    note_spans,
    own_logits,
    split_pairs,
    stitch,
    tokenize,
    window_ids,
    window_words,
    with_companions,
)
from clinspan.report import LoadedModel
from clinspan.strict_json import brief
from clinspan.text.decode import Aggregation, Span, Threshold, Words, label_table, score_limits
from clinspan.text.encoding import Encoding


class Recognizer(LoadedModel):
    """Finds entities in notes of any length. Make one with `Recognizer.load`.

    One recognizer may be shared by many threads. The same note gives the same spans and scores, to the
    bit, alone or among any others, as long as it runs on CPU.
    """

    _task = TOKENS

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self._bundle = loaded.bundle
        self._tokenizer = loaded.tokenizer
        self._table = label_table(loaded.bundle.labels)
        self._cutting = Cutting(
            loaded.bundle.window, loaded.bundle.overlap, sections=loaded.model.cache is not None
        )

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        device: str | None = None,
        precision: str | None = None,
        threads: int | None = None,
        window: int | None = None,
        overlap: int | None = None,
        options: LoadOptions | None = None,
    ) -> Recognizer:
        """Load a model folder.

        Args:
            path: a bundle or any ONNX token classification folder, or the name of one in the local Hub cache
                (`org/name`, `org/name@revision`); None for the bundled starter model.
            device: as in `LoadOptions`, like the next four; what is given here wins over `options`.
            precision: of the weights.
            threads: cores to use.
            window: tokens that one run reads.
            overlap: tokens that neighbouring windows share.
            options: everything else that can be set.

        Raises:
            BundleError: the folder cannot be used.
            DeviceError: the device does not really run here.
            InputError: an option makes no sense for this bundle.
            MissingDependencyError: onnxruntime is not installed.

        >>> Recognizer.load().report().precision
        'int8'
        """
        origin = origin_of(
            path,
            options,
            device=device,
            precision=precision,
            threads=threads,
            window=window,
            overlap=overlap,
        )
        return cls(load(origin))

    def recognize(
        self,
        note: str,
        *,
        threshold: Threshold = 0.0,
        aggregation: Aggregation | None = None,
        timeout: float | None = None,
    ) -> list[Span]:
        """Find the entities of one note.

        Args:
            note: the text, of any length.
            threshold: leave out spans that score less; a probability, or one per label name.
            aggregation: how tokens vote for a word's label: `first`, `average`, `max` or `simple`, with the
                meaning they have in transformers; None for the bundle's default. A model with a CRF has only that.
            timeout: seconds from this call after which no further window is started; None for no limit.

        Returns:
            Spans in note order, never overlapping; `note[span.start:span.end] == span.text`.

        Raises:
            InputError: the note is not a string, or an option is unknown.
            InferenceError: the model's answer cannot be used.
            DeadlineError: the timeout passed before the whole note was read.
            ClosedError: the recognizer was closed before or meanwhile.

        >>> [span.text for span in Recognizer.load().recognize("She has pneumonia.")]
        ['pneumonia']
        """
        return self._recognize(note, threshold, *self._begin(threshold, aggregation, timeout))

    def _recognize(self, note: str, threshold: Threshold, aggregation: str, call: Call) -> list[Span]:
        tokenized = self._read(note, 0, call)
        if len(tokenized.windows) != 1:
            return next(self._pipe(iter([tokenized]), threshold, aggregation, call))
        (window,) = tokenized.windows
        logits = self._runner.run_alone(window_ids(tokenized, window), call)
        words = window_words(tokenized, window, logits, aggregation)
        return self._spans(tokenized, [words], threshold)

    async def arecognize(
        self,
        note: str,
        *,
        threshold: Threshold = 0.0,
        aggregation: Aggregation | None = None,
        timeout: float | None = None,
    ) -> list[Span]:
        """Find the entities of one note without blocking the event loop.

        As `recognize`, on a thread of the recognizer's own, four calls per core at once. Cancelling the task
        that awaits it stops the work before the next window.

        >>> import asyncio
        >>> [span.text for span in asyncio.run(Recognizer.load().arecognize("She has pneumonia."))]
        ['pneumonia']
        """
        from clinspan.engine.asynchronous import (
            result_of,  # asyncio: the caller has it, others need not pay for it
        )

        vote, call = self._begin(threshold, aggregation, timeout)
        try:
            return await result_of(
                self._runner.callers, partial(self._recognize, note, threshold, vote, call)
            )
        finally:
            call.given_up = True

    @overload
    def pipe(
        self,
        notes: Iterable[str],
        *,
        threshold: Threshold = 0.0,
        aggregation: Aggregation | None = None,
        timeout: float | None = None,
        on_error: Literal["raise"] = "raise",
        as_tuples: Literal[False] = False,
    ) -> Iterator[list[Span]]: ...

    @overload
    def pipe(
        self,
        notes: Iterable[Any],
        *,
        threshold: Threshold = 0.0,
        aggregation: Aggregation | None = None,
        timeout: float | None = None,
        on_error: Literal["raise", "yield"] = "raise",
        as_tuples: bool = False,
    ) -> Iterator[Any]: ...

    def pipe(
        self,
        notes: Iterable[Any],
        *,
        threshold: Threshold = 0.0,
        aggregation: Aggregation | None = None,
        timeout: float | None = None,
        on_error: Literal["raise", "yield"] = "raise",
        as_tuples: bool = False,
    ) -> Iterator[Any]:
        """Find the entities of many notes, lazily, in order, in bounded memory.

        Args:
            notes: any iterable of texts; drawn as results are taken, a few notes ahead.
            threshold: as in `recognize`.
            aggregation: as in `recognize`.
            timeout: seconds from this call, for all notes together, after which no further window is
                started; notes that are complete by then are still given.
            on_error: `raise` to end with the first note that cannot be read; `yield` to give its error, an InputError,
                BundleError or InferenceError, in the place of its spans, and go on.
            as_tuples: `notes` gives pairs of a text and anything else, such as its row, which is given back with the
                result.

        Yields:
            The spans of each note as one list, which is empty for a note without entities; with `as_tuples`, a pair
            of that and what came with the note.

        Raises:
            InputError, InferenceError, DeadlineError, ClosedError: as in `recognize`, in the note's turn,
                after the results of the notes before it; the number of the note is in the message.
        """
        vote, call = self._begin(threshold, aggregation, timeout)
        check_texts("notes", notes, "recognize")
        if on_error not in ("raise", "yield"):
            raise InputError(f"on_error is {brief(on_error)}: expected 'raise' or 'yield'")
        companions: deque[Any] = deque()
        texts = split_pairs(notes, companions) if as_tuples else notes
        results = self._results(texts, threshold, vote, call, keep_going=on_error == "yield")
        return with_companions(results, companions) if as_tuples else results

    def _results(
        self, texts: Iterable[Any], threshold: Threshold, aggregation: str, call: Call, *, keep_going: bool
    ) -> Iterator[Any]:
        """Spans of each text; an error in their place where one cannot be read and `keep_going` says so."""
        failed: dict[int, ClinspanError] = {}

        def read(text: Any, number: int) -> TokenizedNote:
            try:
                return self._read(text, number, call)
            except (InputError, BundleError) as error:
                if not keep_going:
                    raise
                failed[number] = error
                return TokenizedNote("", Encoding.empty(), (), number)

        def give_up(job: Job, error: InferenceError) -> Words:
            failed.setdefault(job_number(job), error)
            return Words.empty()

        tokenized = (read(text, number) for number, text in enumerate(texts))
        found = self._pipe(tokenized, threshold, aggregation, call, give_up if keep_going else None)
        for number, spans in enumerate(found):
            yield failed.pop(number, spans)

    def _begin(
        self, threshold: Threshold, aggregation: str | None, timeout: float | None
    ) -> tuple[str, Call]:
        """Check the options of a call at once, not when the first result is taken."""
        call = self._runner.begin(timeout)
        vote = self._bundle.aggregation if aggregation is None else aggregation
        votes = self._bundle.aggregations
        if not isinstance(vote, str) or vote not in votes:
            raise InputError(f"unknown aggregation {vote!r}: expected one of {', '.join(votes)}")
        score_limits(threshold, self._table.names)
        return vote, call

    def _read(self, note: str, number: int, call: Call) -> TokenizedNote:
        if not isinstance(note, str):
            raise InputError(f"it is of type {type(note).__name__}: expected str", note=number)
        longest = self._loaded.max_characters
        if len(note) > longest:
            raise InputError(
                f"it has {len(note):,} characters, and at most {longest:,} are read: "
                "cut it, or allow more with LoadOptions(max_characters=...)",
                note=number,
            )
        between = partial(call.check, number)
        return tokenize(note, self._tokenizer, self._cutting, number=number, between=between)

    def _pipe(
        self,
        notes: Iterator[TokenizedNote],
        threshold: Threshold,
        aggregation: str,
        call: Call,
        give_up: Callable[[Job, InferenceError], Words] | None = None,
    ) -> Iterator[list[Span]]:
        def finish(job: Job, logits: Logits) -> Words:
            note, window = job
            assert window is not None  # only windows have logits
            return window_words(note, window, logits, aggregation)

        results = self._runner.run(
            jobs(notes), ids=job_ids, note=job_number, finish=finish, call=call, give_up=give_up
        )
        for note, words in by_note(results):
            yield self._spans(note, words, threshold)

    def _spans(self, note: TokenizedNote, words: Sequence[Words], threshold: Threshold) -> list[Span]:
        whole, crf = self._bundle.whole_words, self._bundle.crf
        return note_spans(note, words, self._table, threshold, whole=whole, crf=crf)

    def token_logits(self, note: str) -> npt.NDArray[np.float32]:
        """The model's logits for every token of a note, float32 (n, c), stitched from its windows."""
        call = self._runner.begin()
        tokenized = self._read(note, 0, call)

        def finish(job: Job, logits: Logits) -> Logits:
            _, window = job
            assert window is not None  # only windows have logits
            return own_logits(window, logits)

        runs = self._runner.run(jobs([tokenized]), ids=job_ids, note=job_number, finish=finish, call=call)
        parts = [logits for _, logits in runs if logits is not None]
        return stitch(parts, len(self._bundle.labels.names))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the entities that the model finds."""
        return self._table.names

    def _size(self) -> str:
        return f"{len(self.labels)} labels"
