"""Ids of one window in, the model's numbers out: special tokens, spare cores and reuse are seen to here."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from clinspan.engine import forks
from clinspan.engine.session import Session
from clinspan.engine.workers import Workers
from clinspan.errors import ClinspanError
from clinspan.text.pairs import PairFrame, PairIds
from clinspan.text.tokenizer import Tokenizer

_log = logging.getLogger(__name__)

Logits = npt.NDArray[np.float32]

# What one window reads, without special tokens: int32 (t,), or two such texts.
Content = npt.NDArray[np.int32] | PairIds

# A process that reads one short message and ends must not pay for a second session.
_LONE_CALLS_BEFORE_WIDENING = 2


class Model:
    """A session between its special tokens. `logits` may be called from many threads at once."""

    def __init__(
        self,
        session: Session,
        tokenizer: Tokenizer,
        *,
        widen: Callable[[], Session] | None = None,
        reuse: int = 0,
        pool: Callable[[Logits], Logits] | None = None,
    ) -> None:
        """Wrap a session.

        Args:
            session: runs one window on one core.
            tokenizer: gives the special tokens around a window.
            widen: loads the same model for one window on all cores; None where there is one core.
            reuse: windows whose logits are kept.
            pool: makes the answer for a text, float32 (d,), of what the model gives for it: the vectors of its
                tokens with the special ones, float32 (t, d), or one vector; None to take it as it is.
        """
        self.session = session
        self.cache = LogitsCache(reuse) if reuse else None
        self._tokenizer = tokenizer
        self._pool = pool
        self._pair_frame: PairFrame | None = None
        self._widen = widen
        self._wide: Session | None = None
        self._loader = Workers(1, "clinspan-load")
        self._lone_calls = itertools.count(1)
        self._closed = False
        forks.watch(self)

    def logits(self, content: Content, *, alone: bool = False) -> Logits:
        """Run one window.

        Args:
            content: token ids without special tokens, int32 (t,), or those of a pair.
            alone: nothing else runs now, so that the window may have all cores. The logits are the same
                to the bit.

        Returns:
            float32 (t, c); float32 (c,) of a model that answers for whole texts.
        """
        if self.cache is None:
            return self._run(content, alone)
        key = hashlib.blake2b(content.tobytes(), digest_size=16).digest()
        logits = self.cache.get(key)
        if logits is None:
            logits = self._run(content, alone)
            self.cache.put(key, logits)
        return logits

    def batch(self, contents: Sequence[Content]) -> list[Logits]:
        """Run several windows at once, the shorter ones padded.

        Args:
            contents: as `logits` takes one.

        Returns:
            As `logits` gives for each. Unlike those of `logits` they may differ in the last bits with what else is
            in the batch.
        """
        rows = [self._framed(content) for content in contents]
        ids = np.full((len(rows), max(len(row) for row, _ in rows)), self._tokenizer.pad_id, dtype=np.int64)
        mask, types = np.zeros_like(ids), np.zeros_like(ids)
        for number, (row, kinds) in enumerate(rows):
            ids[number, : len(row)] = row
            mask[number, : len(row)] = 1
            types[number, : len(row)] = kinds
        given = self.session.run(ids, mask, types)
        return [self._answer(given[row], content, len(rows[row][0])) for row, content in enumerate(contents)]

    def _run(self, content: Content, alone: bool) -> Logits:
        ids, types = self._framed(content)
        session = self._widest() if alone else self.session
        given = session.run(ids[None], np.ones_like(ids)[None], types[None])[0]
        return self._answer(given, content, len(ids))

    def _framed(self, content: Content) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Ids and type ids of a window with its special tokens, int64 (t,) each."""
        if isinstance(content, PairIds):
            if self._pair_frame is None:
                self._pair_frame = self._tokenizer.pair_frame()
            return self._pair_frame.join(content)
        ids = self._tokenizer.frame(content)
        return ids, np.zeros_like(ids)

    def _answer(self, given: Logits, content: Content, framed: int) -> Logits:
        """Of a row that the model gave: that of the text, or those of the window's own tokens.

        Args:
            given: float32 (t, c) with those of padding behind the `framed` first ones; float32 (c,) for a text.
            content: the window.
            framed: its tokens with the special ones.
        """
        if not self.session.answer.per_token:
            return given if self._pool is None else self._pool(given)
        if self._pool is not None:
            return self._pool(given[:framed])
        begin = len(self._tokenizer.prefix)
        return given[begin : begin + len(content)]

    def _widest(self) -> Session:
        """The session with most cores that is loaded; the wide one loads in the background, once needed."""
        wide = self._wide
        if wide is not None or self._widen is None:
            return wide or self.session
        if next(self._lone_calls) == _LONE_CALLS_BEFORE_WIDENING and not self._closed:
            self._loader.submit(self._load_wide, self._widen)
            self._loader.end()
        return self.session

    def _load_wide(self, widen: Callable[[], Session]) -> None:
        try:
            wide = widen()
        except ClinspanError:
            _log.warning(
                "lone windows stay on one core: the model could not be loaded once more", exc_info=True
            )
            return
        self._wide = wide
        if self._closed:  # meanwhile
            self._wide = None

    def close(self) -> None:
        """End the sessions and forget what was kept; safe to call twice."""
        self._closed = True
        self._loader.close()
        wide, self._wide = self._wide, None
        if self.cache is not None:
            self.cache.clear()
        if wide is not None:
            wide.close()
        self.session.close()

    def after_fork(self) -> None:
        """Begin again in a child process, without the sessions whose threads only the parent has."""
        self._wide = None
        self._loader = Workers(1, "clinspan-load")
        self._lone_calls = itertools.count(1)
        if self.cache is not None:
            self.cache = LogitsCache(self.cache.size)


class LogitsCache:
    """The logits of the last windows, in memory only, the longest unused dropped first.

    Each step is one operation of a C dictionary, so threads need no lock.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._kept: OrderedDict[bytes, Logits] = OrderedDict()
        self.hits = 0
        self.stored = 0

    def get(self, key: bytes) -> Logits | None:
        """Logits stored under a key, or None."""
        logits = self._kept.get(key)
        if logits is not None:
            self.hits += 1
            with contextlib.suppress(KeyError):  # dropped meanwhile by another thread
                self._kept.move_to_end(key)
        return logits

    def put(self, key: bytes, logits: Logits) -> None:
        """Store logits; they are copied, so that no larger array is kept alive, and cannot be changed."""
        kept = logits.copy()
        kept.flags.writeable = False
        self._kept[key] = kept
        self.stored += 1
        while len(self._kept) > self.size:
            with contextlib.suppress(KeyError):
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
