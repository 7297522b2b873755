"""Turn texts into vectors: load, call, pipe, close. `texts.py` tells what happens to a text in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clinspan.bundle.load_options import LoadOptions
from clinspan.bundle.loading import Loaded, load, origin_of
from clinspan.bundle.tasks import VECTORS
from clinspan.engine.calls import Call
from clinspan.engine.model import Logits
from clinspan.errors import InputError
from clinspan.options import check_texts
from clinspan.pipeline import Cutting
from clinspan.report import LoadedModel
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


class Embedder(LoadedModel):
    """Turns texts of any length into vectors. Make one with `Embedder.load`.

    One embedder may be shared by many threads. The same text gives the same vector, to the bit, alone or
    among any others, as long as it runs on CPU.
    """

    _task = VECTORS

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        assert isinstance(loaded.bundle.head, Vectors)  # `load` saw to it
        self._vectors = loaded.bundle.head
        self._cutting = Cutting(loaded.bundle.window, loaded.bundle.overlap)

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
        call = self._runner.begin(timeout)
        return self._embed(self._checked(texts, normalize), self._wanted(normalize), truncate, call)

    def _embed(self, texts: Iterable[str], normalize: bool, truncate: bool, call: Call) -> Floats:
        if isinstance(texts, list | tuple) and len(texts) == 1:
            text = self._read(texts[0], 0, truncate, call)
            if len(text.windows) == 1:  # a query: it may have all cores
                vectors = [self._runner.run_alone(text.windows[0], call)]
                return self._merge(text, vectors, normalize)[None]
        rows = list(self._pipe(texts, normalize, truncate, call))
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
        checked, wanted = self._checked(texts, normalize), self._wanted(normalize)
        try:
            return await result_of(
                self._runner.callers, partial(self._embed, checked, wanted, truncate, call)
            )
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
        for text, vectors in by_text(runs):
            yield self._merge(text, vectors, normalize)

    def _merge(self, text: TokenizedText, vectors: list[Floats], normalize: bool) -> Floats:
        # What the model brought to length 1 is so already; only a mean of several has to be brought there again.
        again = normalize and (len(vectors) > 1 or not self._vectors.normalize)
        return merge_vectors(vectors, text.tokens, normalize=again)

    @property
    def dimension(self) -> int:
        """Numbers of a vector."""
        return self._vectors.dimension

    def _size(self) -> str:
        return f"{self.dimension} numbers"
