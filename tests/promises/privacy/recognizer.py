"""Ways in which a call on a recognizer fails: broken models and tokenizers, wrong options, closing."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from tests.support.privacy.failing_paths import (
    BROKEN,
    NOTE,
    Action,
    Place,
    adder,
    recognizer,
)

from clinspan import LoadOptions, Recognizer
from clinspan.engine.calls import begin

PATHS: dict[str, Action] = {}
path = adder(PATHS)

MIXED: list[Any] = [NOTE, NOTE.encode()]
CALLS: dict[str, Callable[[Recognizer], object]] = {
    "recognize": lambda model: model.recognize(NOTE),
    "pipe": lambda model: list(model.pipe(["ok", NOTE])),
    "token_logits": lambda model: model.token_logits(NOTE),
}


def reloaded(place: Place, **options: Any) -> Recognizer:
    return Recognizer.load(recognizer(place)._bundle.path, threads=1, options=LoadOptions(**options))


def broken(place: Place, table: np.ndarray, call: Callable[[Recognizer], object], threads: int) -> object:
    return call(recognizer(place, table=table, threads=threads))


for kind, table in BROKEN.items():
    for call, run in CALLS.items():
        for threads in (1, 2):
            path(f"{call} {kind} {threads}", partial(broken, table=table, call=run, threads=threads))


def quoting() -> Any:
    """A tokenizer that fails as the library does, and says on what."""
    library: dict[str, Any] = {"__name__": "tokenizers.quoting"}
    exec("class Backend:\n    def encode(self, text, **_):\n        raise ValueError(text)", library)
    return library["Backend"]()


def broken_tokenizer(place: Place, call: Callable[[Recognizer], object], **changes: object) -> object:
    model = recognizer(place)
    for name, value in changes.items():
        setattr(model._tokenizer, name, value)
    return call(model)


for call, run in CALLS.items():
    path(f"{call} tokenizer fails", partial(broken_tokenizer, call=run, _backend=quoting()))
    path(f"{call} tokenizer unsound", partial(broken_tokenizer, call=run, largest_id=0))

OPTIONS: dict[str, dict[str, Any]] = {
    "aggregation": {"aggregation": "middle"},
    "threshold": {"threshold": 2},
    "threshold label": {"threshold": {"NONE": 0.5}},
    "timeout": {"timeout": -1},
    "deadline": {"timeout": 1e-9},
}


def recognized(place: Place, note: Any, **options: Any) -> object:
    return recognizer(place).recognize(note, **options)


def piped(place: Place, notes: Any, **options: Any) -> object:
    return list(recognizer(place).pipe(notes, **options))


for kind, options in OPTIONS.items():
    path(f"recognize {kind}", partial(recognized, note=NOTE, **options))
    path(f"pipe {kind}", partial(piped, notes=[NOTE], **options))
path("recognize bytes", partial(recognized, note=NOTE.encode()))
path("pipe list", partial(piped, notes=[[NOTE]]))
path("pipe one string", partial(piped, notes=NOTE))
path("pipe a pair that is none", lambda place: list(recognizer(place).pipe([NOTE], as_tuples=True)))
path("pipe with an unknown way", lambda place: recognizer(place).pipe([NOTE], on_error=NOTE[:3]))  # type: ignore[call-overload]
path("pipe a number", partial(piped, notes=3))


def in_batches(place: Place, *notes: Any) -> object:
    """As on a GPU."""
    model = recognizer(place, table=BROKEN["fails"] if len(notes) == 1 else None)
    model._runner._batch_tokens = 64
    return list(model.pipe(notes))


def given_up() -> None:
    call = begin(lambda: False, 1)
    call.given_up = True
    call.check(0)


def closed(place: Place, call: Callable[[Recognizer], object]) -> object:
    model = recognizer(place, threads=2)
    model.recognize(NOTE)
    model.close()
    return call(model)


def closed_below(place: Place, close: Callable[[Recognizer], object]) -> object:
    """As where another thread closes it while a note is read."""
    model = recognizer(place, threads=2)
    close(model)
    return list(model.pipe([NOTE]))


path("batch fails", lambda place: in_batches(place, NOTE))
path("batch of bytes", lambda place: in_batches(place, NOTE, NOTE.encode()))
path("note too long", lambda place: reloaded(place, max_characters=10).recognize(NOTE))
path("second note is bytes", lambda place: list(recognizer(place, threads=2).pipe(MIXED)))
path("given up", lambda _: given_up())
for call, run in {**CALLS, "pickle": pickle.dumps}.items():
    path(f"{call} after close", partial(closed, call=run))
path("closed meanwhile", lambda _: begin(iter([False, True]).__next__).check(0))
path("made by hand", lambda _: Recognizer(NOTE))  # type: ignore[arg-type]
path("workers closed", partial(closed_below, close=lambda model: model._runner.workers.close()))
path("session closed", partial(closed_below, close=lambda model: model._runner.model.close()))
