"""Read many notes and give one outcome for each: its spans, or why it has none. A bad note costs the others nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Generic, Protocol, TypeVar

from clinspan.errors import ClinspanError, DeadlineError, InferenceError, InputError
from clinspan.extract.notes import Entry, Note
from clinspan.interop.html import html
from clinspan.recognizer import Recognizer
from clinspan.text.decode import Aggregation, Span, Threshold
from clinspan.texts import Text

_TRIAL = "Fever."
T = TypeVar("T", bound=Text)
R = TypeVar("R")
T_co = TypeVar("T_co", bound=Text, covariant=True)


@dataclass(frozen=True, slots=True)
class Failure:
    """A note without a result.

    Attributes:
        id: of the note.
        reason: says where and what, and contains nothing of its text.
        text: that failed; None where it could not be read.
    """

    id: str
    reason: str
    text: Text | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Result:
    """A note and its spans."""

    note: Note
    spans: list[Span]

    def _repr_html_(self) -> str:
        """Show the note with its spans highlighted, in a notebook."""
        return html(self.note.text, self.spans)


@dataclass(frozen=True, slots=True)
class Batch:
    """A recognizer and the options that every note gets.

    Attributes:
        recognizer, threshold, aggregation: as in `Recognizer.recognize`.
        rename: gives labels other names.
        timeout: seconds for each note, which are then read one after another; None for no limit.
    """

    recognizer: Recognizer
    threshold: Threshold = 0.0
    aggregation: Aggregation | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None

    def pipe(self, texts: Iterator[str]) -> Iterator[list[Span]]:
        """Find the spans of each text; wrong options are refused at once."""
        found = self._timed(texts) if self.timeout is not None else self._piped(texts)
        return map(self._renamed, found) if self.rename else found

    def _piped(self, texts: Iterator[str]) -> Iterator[list[Span]]:
        return self.recognizer.pipe(
            texts, threshold=self.threshold, aggregation=self.aggregation, timeout=self.timeout
        )

    def _timed(self, texts: Iterator[str]) -> Iterator[list[Span]]:
        """As a call of its own for each text: the time of a pipe is that of all of them together."""
        self._piped(iter(()))  # refuses wrong options
        recognize = partial(self.recognizer.recognize, threshold=self.threshold, aggregation=self.aggregation)
        return (recognize(text, timeout=self.timeout) for text in texts)

    def _renamed(self, spans: list[Span]) -> list[Span]:
        return [replace(span, label=self.rename.get(span.label, span.label)) for span in spans]


def outcomes(batch: Batch, entries: Iterator[Entry]) -> Iterator[Result | Failure]:
    """Read notes and find their spans, lazily, on all workers, in bounded memory.

    Yields:
        One outcome for each entry, in their order.

    Raises:
        InputError: an option is unknown.
        InferenceError: the model fails on every note, since its device is lost, say; the notes are not at fault.
    """
    for outcome in outcomes_of(batch.pipe, entries, blank="", trial=_TRIAL):
        yield (
            outcome if isinstance(outcome, Failure) else Result(Note(outcome.id, outcome.text), outcome.found)
        )


def alone(batch: Batch, entry: Entry, note: Note | Failure | None = None) -> Result | Failure:
    """Give the outcome of one entry, which is read now unless its note is given."""
    read = None if note is None else note if isinstance(note, Failure) else Answered(note.id, note.text, None)
    outcome = alone_of(batch.pipe, entry, read, trial=_TRIAL)
    if isinstance(outcome, Failure):
        return outcome
    return Result(Note(outcome.id, outcome.text), outcome.found)


class Readable(Protocol[T_co]):
    """A text that is about to be read: its name, its place for messages, and what reads it."""

    @property
    def id(self) -> str:
        """The name that its result carries."""

    @property
    def where(self) -> str:
        """File, or file and line."""

    @property
    def read(self) -> Callable[[], T_co]:
        """Gives the text; raises InputError, whose message contains nothing of it."""


@dataclass(frozen=True, slots=True)
class Answered(Generic[T, R]):
    """A text, or a pair, and what a model found in it."""

    id: str
    text: T
    found: R


def outcomes_of(
    pipe: Callable[[Iterator[T]], Iterator[R]], entries: Iterator[Readable[T]], *, blank: T, trial: T
) -> Iterator[Answered[T, R] | Failure]:
    """Read texts and give the outcome of each, as `outcomes` does, for any model.

    Args:
        pipe: gives the results of texts, in order.
        entries: the texts.
        blank: a text that costs little, for the place of one that could not be read.
        trial: a text that shows whether the model still works.
    """
    pending: deque[tuple[Readable[T], Answered[T, None] | Failure]] = deque()

    def texts() -> Iterator[T]:
        for entry in entries:
            read = _read(entry)
            pending.append((entry, read))
            yield blank if isinstance(read, Failure) else read.text

    while True:
        try:
            for found in pipe(texts()):
                _, read = pending.popleft()
                yield read if isinstance(read, Failure) else Answered(read.id, read.text, found)
        except (ClinspanError, MemoryError) as error:
            if not pending:
                raise
            if isinstance(error, DeadlineError):  # of the text in turn, which has had its time
                entry, read = pending.popleft()
                yield read if isinstance(read, Failure) else _failed(entry, read, error)
        else:
            return
        # `pipe` ends with its first error and drops the texts in flight: those are read one by one.
        while pending:
            yield alone_of(pipe, *pending.popleft(), trial=trial)


def alone_of(
    pipe: Callable[[Iterator[T]], Iterator[R]],
    entry: Readable[T],
    read: Answered[T, None] | Failure | None = None,
    *,
    trial: T,
) -> Answered[T, R] | Failure:
    """Give the outcome of one entry, which is read now unless its text is given; `trial` shows whether the model works."""
    read = _read(entry) if read is None else read
    if isinstance(read, Failure):
        return read
    try:
        (found,) = pipe(iter([read.text]))
    except ClinspanError as error:
        failure = _failed(entry, read, error)
        if isinstance(error, InferenceError) and not _works(pipe, trial):
            raise InferenceError(f"{failure.reason}: the model fails on any note now") from error
        return failure
    except MemoryError:
        return Failure(read.id, f"{entry.where}: not enough memory for this note", read.text)
    return Answered(read.id, read.text, found)


def _failed(entry: Readable[T], read: Answered[T, None], error: ClinspanError) -> Failure:
    """Say where a text failed: its place says more than its number among the texts of a call."""
    return Failure(read.id, f"{entry.where}: {error.reason}", read.text)


def _works(pipe: Callable[[Iterator[T]], Iterator[R]], trial: T) -> bool:
    try:
        list(pipe(iter([trial])))
    except InferenceError:
        return False
    except DeadlineError:
        return True  # slow, and not known to fail
    return True


def _read(entry: Readable[T]) -> Answered[T, None] | Failure:
    try:
        return Answered(entry.id, entry.read(), None)
    except InputError as error:
        return Failure(entry.id, str(error))
    except MemoryError:
        return Failure(entry.id, f"{entry.where}: not enough memory to read this note")
