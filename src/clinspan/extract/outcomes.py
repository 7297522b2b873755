"""Read many notes and give one outcome for each: its spans, or why it has none. A bad note costs the others nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from clinspan.errors import ClinspanError, InferenceError, InputError
from clinspan.extract.notes import Entry, Note
from clinspan.interop.html import html
from clinspan.recognizer import Recognizer
from clinspan.text.decode import Aggregation, Span, Threshold


@dataclass(frozen=True, slots=True)
class Failure:
    """A note without a result; the reason says where and what, and contains nothing of its text."""

    id: str
    reason: str


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
    """A recognizer and the options that every note gets; `rename` gives labels other names."""

    recognizer: Recognizer
    threshold: Threshold = 0.0
    aggregation: Aggregation | None = None
    rename: Mapping[str, str] = field(default_factory=dict)

    def pipe(self, texts: Iterator[str]) -> Iterator[list[Span]]:
        """Find the spans of each text; wrong options are refused at once."""
        found = self.recognizer.pipe(texts, threshold=self.threshold, aggregation=self.aggregation)
        return map(self._renamed, found) if self.rename else found

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
    pending: deque[tuple[Entry, Note | Failure]] = deque()

    def texts() -> Iterator[str]:
        for entry in entries:
            note = _read(entry)
            pending.append((entry, note))
            # A note that could not be read keeps its place as an empty text, which costs nothing.
            yield note.text if isinstance(note, Note) else ""

    while True:
        try:
            for spans in batch.pipe(texts()):
                _, note = pending.popleft()
                yield Result(note, spans) if isinstance(note, Note) else note
        except (ClinspanError, MemoryError):
            if not pending:
                raise
        else:
            return
        # `pipe` ends with its first error and drops the notes in flight: those are read one by one.
        while pending:
            yield alone(batch, *pending.popleft())


def alone(batch: Batch, entry: Entry, note: Note | Failure | None = None) -> Result | Failure:
    """Give the outcome of one entry, which is read now unless its note is given."""
    note = _read(entry) if note is None else note
    if isinstance(note, Failure):
        return note
    try:
        (spans,) = batch.pipe(iter([note.text]))
    except ClinspanError as error:
        # Its place says more than its number among the notes of a call.
        reason = f"{entry.where}: {error.reason}"
        if isinstance(error, InferenceError) and not _works(batch):
            raise InferenceError(f"{reason}: the model fails on any note now") from error
        return Failure(note.id, reason)
    except MemoryError:
        return Failure(note.id, f"{entry.where}: not enough memory for this note")
    return Result(note, spans)


def _works(batch: Batch) -> bool:
    try:
        list(batch.pipe(iter(["Fever."])))
    except InferenceError:
        return False
    return True


def _read(entry: Entry) -> Note | Failure:
    try:
        return Note(entry.id, entry.read())
    except InputError as error:
        return Failure(entry.id, str(error))
    except MemoryError:
        return Failure(entry.id, f"{entry.where}: not enough memory to read this note")
