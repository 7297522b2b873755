"""Run the windows of many texts: one by one on all cores, or in batches on a GPU; always in order, and until closed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from clinspan.engine import calls
from clinspan.engine.calls import Call
from clinspan.engine.model import Content, Logits, Model
from clinspan.engine.schedule import in_batches, in_order
from clinspan.engine.workers import Workers
from clinspan.errors import InferenceError

Job = TypeVar("Job")
Result = TypeVar("Result")

# Windows handed out per worker before the oldest is waited for: enough that no worker ever waits for the
# caller's thread, few enough that a stream of notes stays in bounded memory.
_AHEAD = 8

# Calls of coroutines that run at once, per worker; a long note among them must not hold up the short ones.
_CALLERS = 4

# A GPU is busy only with many windows at once; this many tokens fill one, and their activations fit.
_GPU_BATCH_TOKENS = 16_384
_BATCHING_PROVIDERS = {"CUDAExecutionProvider", "TensorrtExecutionProvider", "MIGraphXExecutionProvider"}


class Runner:
    """A model, the threads that run it, and whether it is closed.

    Attributes:
        model: what runs a window.
        workers: threads that run windows.
        callers: threads on which calls of coroutines wait.
    """

    def __init__(self, model: Model, workers: int) -> None:
        self.model = model
        self.workers = Workers(workers, "clinspan")
        self.callers = Workers(workers * _CALLERS, "clinspan-call")
        self._batch_tokens = _GPU_BATCH_TOKENS if model.session.provider in _BATCHING_PROVIDERS else 0
        self._closed = False

    def begin(self, timeout: float | None = None) -> Call:
        """Begin a call; raises ClosedError after `close`, InputError for a timeout that makes no sense."""
        return calls.begin(self.is_closed, timeout)

    def is_closed(self) -> bool:
        """Say whether `close` was called."""
        return self._closed

    def run_alone(self, ids: Content, call: Call, note: int = 0) -> Logits:
        """Run the only window of a call, which may have all cores.

        Args:
            ids: without special tokens, int32 (t,), or those of a pair.
            call: asked before the run whether to go on.
            note: number of the note, for messages.

        Returns:
            float32 (t, c); float32 (c,) of a model that answers for whole texts.
        """
        call.check(note)
        with _naming(note):
            return self.model.logits(ids, alone=True)

    def run(
        self,
        jobs: Iterable[Job],
        *,
        ids: Callable[[Job], Content | None],
        note: Callable[[Job], int],
        finish: Callable[[Job, Logits], Result],
        call: Call,
        give_up: Callable[[Job, InferenceError], Result] | None = None,
    ) -> Iterator[tuple[Job, Result | None]]:
        """Run a window for each job and yield what is made of its logits, in order, in bounded memory.

        Args:
            jobs: any iterable, drawn lazily from the caller's thread.
            ids: gives the window, int32 (t,) or a pair; None where a job has none, and then the result is None too.
            note: gives the number of the note, for messages.
            finish: makes the result of logits, as `run_alone` gives them; called on a worker.
            call: asked before each run whether to go on.
            give_up: makes the result of a window that the model fails on; None to end with the error.
        """

        def one(job: Job) -> Result | None:
            call.check(note(job))
            content = ids(job)
            if content is None:
                return None
            try:
                with _naming(note(job)):
                    logits = self.model.logits(content)
            except InferenceError as error:
                if give_up is None:
                    raise
                return give_up(job, error)
            return finish(job, logits)

        def several(batch: Sequence[Job]) -> list[Result | None]:
            call.check(note(batch[0]))
            contents = [ids(job) for job in batch]
            windows = [content for content in contents if content is not None]
            try:
                with _naming(note(batch[0])):
                    logits = iter(self.model.batch(windows) if windows else [])
            except InferenceError:
                if give_up is None:
                    raise
                return [one(job) for job in batch]  # which of them fails is not known
            return [
                None if content is None else finish(job, next(logits))
                for job, content in zip(batch, contents, strict=True)
            ]

        def tokens(job: Job) -> int:
            content = ids(job)
            return 0 if content is None else len(content)

        if self._batch_tokens:
            return in_batches(jobs, tokens, several, tokens=self._batch_tokens)
        count = self.workers.count
        return in_order(jobs, one, workers=self.workers if count > 1 else None, ahead=count * _AHEAD)

    def close(self) -> None:
        """End the threads and give the memory back; safe to call twice."""
        self._closed = True
        self.callers.close()
        self.workers.close()
        self.model.close()


@contextmanager
def _naming(note: int) -> Iterator[None]:
    """Put the number of the note, and nothing of its text, into the message of what its run raises."""
    try:
        yield
    except InferenceError as error:
        raise InferenceError(error.reason, note=note) from error
