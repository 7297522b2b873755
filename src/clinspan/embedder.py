"""Turn texts into vectors: load, call, pipe, close. `texts.py` tells what happens to a text in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from clinspan.bundle.load_options import LoadOptions
from clinspan.bundle.loading import Loaded, Origin, load, origin_of
from clinspan.bundle.tasks import VECTORS
from clinspan.engine.calls import Call
from clinspan.engine.model import Logits
from clinspan.engine.runner import Runner
from clinspan.errors import ClosedError, InputError
from clinspan.options import check_texts
from clinspan.pipeline import Cutting
from clinspan.report import Report, report_on
from clinspan.text.merge import Vectors, merge_vectors
from clinspan.texts import (
    Cut,
    Job,
    TokenizedText,
    by_text,
    checked_text,
    job_content,
    job_text_number,
    text_jobs,
    tokenize_text,
)

Floats = npt.NDArray[np.float32]


class Embedder:
    """Turns texts of any length into vectors. Make one with `Embedder.load`.

    One embedder may be shared by many threads. The same text gives the same vector, to the bit, alone or
    among any others, as long as it runs on CPU.
    """

    _last_unpickled: ClassVar[Embedder | None] = None

    def __init__(self, loaded: Loaded) -> None:
        if not isinstance(loaded, Loaded):
            raise InputError(f"a {type(loaded).__name__} makes no embedder: use Embedder.load(path)")
        assert isinstance(loaded.bundle.head, Vectors)  # `load` saw to it
        self._loaded = loaded
        self._vectors = loaded.bundle.head
        self._cutting = Cutting(loaded.bundle.window, loaded.bundle.overlap)
        self._runner = Runner(loaded.model, loaded.workers)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        device: str | None = None,
        precision: str | None = None,
        threads: int | None = None,
        window: int | None = None,
        overlap: int | None = None,
        options: LoadOptions | None = None,
    ) -> Embedder:
        """Load a model folder.

        Args:
            path: a bundle of an encoder with its pooling.
            device: as in `LoadOptions`, like the next four; what is given here wins over `options`.
            precision: of the weights.
            threads: cores to use.
            window: tokens that one run reads.
            overlap: tokens that neighbouring windows share.
            options: everything else that can be set.

        Raises:
            BundleError, DeviceError, InputError, MissingDependencyError: as `Recognizer.load`.
        """
        given = {"device": device, "precision": precision, "threads": threads}
        return cls(load(origin_of(path, options, window=window, overlap=overlap, **given), VECTORS))

    def embed(
        self,
        texts: Iterable[str],
        *,
        normalize: bool | None = None,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> Floats:
        """Turn texts into vectors, each from all its windows.

        Args:
            texts: of any length.
            normalize: bring every vector to length 1; None to do as the model's own settings say.
            truncate: read only what fits one window, as sentence-transformers does.
            timeout: seconds from this call after which no further window is started; None for no limit.

        Returns:
            float32 (n, d), one row a text. That of a text of several windows is the mean of theirs, each weighed
            by its tokens.

        Raises:
            InputError: something is not a text, or an option cannot be followed.
            InferenceError: the model's answer cannot be used.
            DeadlineError: the timeout passed before all texts were read.
            ClosedError: the embedder was closed before or meanwhile.
        """
        rows = list(self.pipe(texts, normalize=normalize, truncate=truncate, timeout=timeout))
        return np.stack(rows) if rows else np.zeros((0, self.dimension), np.float32)

    async def aembed(
        self,
        texts: Iterable[str],
        *,
        normalize: bool | None = None,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> Floats:
        """Turn texts into vectors without blocking the event loop.

        As `embed`, on a thread of the embedder's own, four calls per core at once. Cancelling the task
        that awaits it stops the work before the next window.
        """
        from clinspan.engine.asynchronous import (
            result_of,  # asyncio: the caller has it, others need not pay for it
        )

        call = self._runner.begin(timeout)
        checked = self._checked(texts, normalize)

        def work() -> Floats:
            rows = list(self._pipe(checked, self._wanted(normalize), truncate, call))
            return np.stack(rows) if rows else np.zeros((0, self.dimension), np.float32)

        try:
            return await result_of(self._runner.callers, work)
        finally:
            call.given_up = True

    def pipe(
        self,
        texts: Iterable[str],
        *,
        normalize: bool | None = None,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> Iterator[Floats]:
        """Turn many texts into vectors, lazily, in order, in bounded memory.

        Args:
            texts: any iterable; drawn as results are taken, a few texts ahead.
            normalize: as in `embed`.
            truncate: as in `embed`.
            timeout: seconds from this call, for all texts together.

        Yields:
            float32 (d,) for each text.

        Raises:
            InputError, InferenceError, DeadlineError, ClosedError: as in `embed`, in the text's turn, after the
                vectors of the texts before it; its number is in the message.
        """
        call = self._runner.begin(timeout)
        checked = self._checked(texts, normalize)
        return self._pipe(checked, self._wanted(normalize), truncate, call)

    def _checked(self, texts: Iterable[str], normalize: bool | None) -> Iterable[str]:
        """Check the options of a call at once, not when the first vector is taken."""
        check_texts("texts", texts)
        if normalize is False and self._vectors.normalize:
            raise InputError("normalize is False, and the model gives vectors of length 1")
        return texts

    def _wanted(self, normalize: bool | None) -> bool:
        return self._vectors.normalize if normalize is None else normalize

    def _read(self, text: str, number: int, truncate: bool, call: Call) -> TokenizedText:
        checked = checked_text(text, number, self._loaded.max_characters)
        if not isinstance(checked, str):
            raise InputError("it is a pair: expected a str", note=number)
        between = partial(call.check, number)
        cut = Cut(self._cutting, truncate=truncate)
        return tokenize_text(checked, self._loaded.tokenizer, cut, number=number, between=between)

    def _pipe(self, texts: Iterable[str], normalize: bool, truncate: bool, call: Call) -> Iterator[Floats]:
        def finish(_: Job, vector: Logits) -> Logits:
            return vector

        read = (self._read(text, number, truncate, call) for number, text in enumerate(texts))
        runs = self._runner.run(
            text_jobs(read), ids=job_content, note=job_text_number, finish=finish, call=call
        )
        # What the graph brought to length 1 is so already; only a mean of several has to be brought there again.
        for text, vectors in by_text(runs):
            again = normalize and (len(vectors) > 1 or not self._vectors.normalize)
            yield merge_vectors(vectors, text.tokens, normalize=again)

    @property
    def dimension(self) -> int:
        """Numbers of a vector."""
        return self._vectors.dimension

    def report(self) -> Report:
        """Say what is in use: model, precision, provider, workers, windows, versions."""
        return report_on(self._loaded)

    def __repr__(self) -> str:
        """Say what was loaded and how, in a line."""
        closed = ", closed" if self._runner.is_closed() else ""
        name, precision = self._loaded.bundle.name, self._loaded.precision
        return f"<Embedder {name}, {precision}, {self.dimension} numbers{closed}>"

    def close(self) -> None:
        """End the threads and give the memory back; safe to call twice.

        Calls under way in other threads end at their next window with ClosedError, unless they are done by
        then. Works as a context manager too.
        """
        self._runner.close()

    def __enter__(self) -> Embedder:
        self._runner.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[[Origin], Embedder], tuple[Origin]]:
        """Pickle as the folder's path and the options: nothing that was read, and no weights."""
        if self._runner.is_closed():
            raise ClosedError
        if self._loaded.origin is None:
            raise TypeError("only a embedder made by Embedder.load can be pickled")
        return type(self)._unpickle, (self._loaded.origin,)

    @classmethod
    def _unpickle(cls, origin: Origin) -> Embedder:
        """Load what was pickled, unless it was the last: a pool of processes unpickles it with every task."""
        last = Embedder._last_unpickled
        if last is None or last._runner.is_closed() or type(last) is not cls or last._loaded.origin != origin:
            last = Embedder._last_unpickled = cls(load(origin, VECTORS))
        return last

    def __copy__(self) -> Embedder:
        """The same: threads may share one, and a second would hold the model twice."""
        return self

    def __deepcopy__(self, memo: object) -> Embedder:
        return self
