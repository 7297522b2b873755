"""A loaded model, as the three classes share it: its report of what they really use, closing, and pickling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from clinspan.bundle.loading import Loaded, Origin, load
from clinspan.bundle.tasks import TOKENS, shown_names, task_of
from clinspan.engine.runner import Runner
from clinspan.errors import ClosedError, InputError
from clinspan.text.tokenizer import TOKENIZERS_VERSION
from clinspan.text.words import WORD_RULES


@dataclass(frozen=True, slots=True)
class Report:
    """The model and settings that a recognizer really uses.

    Attributes:
        model: name of the model.
        path: its folder.
        precision: of the weights in use.
        provider: execution provider that onnxruntime runs the model on.
        share: of the model's nodes that run there, 0 to 1, the others on the CPU; None where onnxruntime, before 1.24,
            cannot say.
        workers: windows that run at once.
        threads: threads that share the work of one window.
        window, overlap: in tokens.
        aggregation: default word vote, of a model for entities.
        words: where its words end, of a model for entities: `punctuation` or `whitespace`, see `LoadOptions`.
        labels: names that results carry; none for vectors.
        sha256: hash of the model file; empty where the bundle records none.
        versions: of clinspan's three dependencies.
    """

    model: str
    path: str
    precision: str
    provider: str
    workers: int
    threads: int
    window: int
    overlap: int
    aggregation: str
    labels: tuple[str, ...]
    sha256: str
    versions: Mapping[str, str]
    task: str = TOKENS
    share: float | None = 1.0
    words: str = WORD_RULES[0]


def report_on(loaded: Loaded) -> Report:
    """Put together what is in use."""
    bundle, session = loaded.bundle, loaded.model.session
    return Report(
        model=bundle.name,
        path=str(bundle.path),
        precision=loaded.precision,
        provider=session.provider,
        workers=loaded.workers,
        threads=session.threads,
        window=bundle.window,
        overlap=bundle.overlap,
        aggregation=bundle.aggregation,
        labels=shown_names(bundle.head),
        sha256=bundle.models[loaded.precision].sha256,
        versions={
            "numpy": np.__version__,
            "onnxruntime": session.version,
            "tokenizers": TOKENIZERS_VERSION,
        },
        task=task_of(bundle.head),
        share=session.share,
        words=bundle.words,
    )


class LoadedModel:
    """A model in use: it reports, is closed once, is never copied, and travels to other processes as its folder's path."""

    _task: ClassVar[str]
    _last_unpickled: ClassVar[LoadedModel | None] = None

    def __init__(self, loaded: Loaded) -> None:
        name = type(self).__name__
        if not isinstance(loaded, Loaded):
            raise InputError(f"expected a loaded model, not a {type(loaded).__name__}: use {name}.load(path)")
        self._loaded = loaded
        self._runner = Runner(loaded.model, loaded.workers)

    def report(self) -> Report:
        """Say what is in use: model, precision, provider, workers, windows, versions."""
        return report_on(self._loaded)

    def __repr__(self) -> str:
        """Say what was loaded and how, in a line."""
        closed = ", closed" if self._runner.is_closed() else ""
        bundle, precision = self._loaded.bundle, self._loaded.precision
        return f"<{type(self).__name__} {bundle.name}, {precision}, {self._size()}{closed}>"

    def _size(self) -> str:
        """Say how much it gives, for `repr`."""
        return ""

    def close(self) -> None:
        """End the threads and give the memory back; safe to call twice.

        Calls under way in other threads end at their next window with ClosedError, unless they are done by
        then. Works as a context manager too: `with Recognizer.load() as recognizer`.
        """
        self._runner.close()

    def __enter__(self) -> Self:
        self._runner.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[[Origin], Self], tuple[Origin]]:
        """Pickle as the folder's path and the options: nothing that was read, and no weights."""
        if self._runner.is_closed():
            raise ClosedError
        if self._loaded.origin is None:
            name = type(self).__name__
            raise TypeError(f"only what {name}.load made can be pickled")
        return type(self)._unpickle, (self._loaded.origin,)

    @classmethod
    def _unpickle(cls, origin: Origin) -> Self:
        """Load what was pickled, unless it was the last: a pool of processes unpickles it with every task."""
        last = cls._last_unpickled
        if type(last) is cls and not last._runner.is_closed() and last._loaded.origin == origin:
            return last
        made = cls._last_unpickled = cls(load(origin, cls._task))
        return made

    def __copy__(self) -> Self:
        """The same: threads may share one, and a second would hold the model twice."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self
