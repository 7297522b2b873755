"""Ways in which a call on a classifier or an embedder fails: other things than texts, pairs that do not fit, closing."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.support.privacy.failing_paths import NOTE, Action, Place, adder
from tests.support.tiny import text_bundles

from clinspan import Classifier, Embedder, LoadOptions
from clinspan.cli.main import main
from clinspan.text.merge import Scoring, Vectors

PATHS: dict[str, Action] = {}
path = adder(PATHS)

WRONG: dict[str, Any] = {
    "bytes": NOTE.encode(),
    "three texts": (NOTE, NOTE, NOTE),
    "too long": NOTE * 100,
    "a full pair": (NOTE * 9, NOTE),
}


def classifier(place: Place, scoring: Scoring | None = None) -> Classifier:
    """The tiny classifier, in windows shorter than the note."""
    folder = text_bundles.classifier(place.root / "inputs" / "texts", scoring, window=12)
    return Classifier.load(folder, threads=1, options=LoadOptions(max_characters=2000))


def embedder(place: Place, *, normalize: bool = False) -> Embedder:
    folder = text_bundles.embedder(place.root / "inputs" / "vectors", Vectors(4, normalize=normalize))
    return Embedder.load(folder, threads=1)


def ended(model: Classifier | Embedder, call: Callable[[Any], object]) -> object:
    model.close()
    return call(model)


def embedded(place: Place, texts: Any, **options: Any) -> object:
    return embedder(place, normalize=True).embed(texts, **options)


def classified(place: Place, text: Any) -> object:
    return classifier(place).classify(text)


for kind, wrong in WRONG.items():
    path(f"classify {kind}", partial(classified, text=wrong))
path(
    "classify a text alone",
    lambda place: classifier(place, Scoring(("no", "yes"), pairs=True)).classify(NOTE),
)
path("classify one string", lambda place: classifier(place).pipe(NOTE))
path("classifier made by hand", lambda _: Classifier(NOTE))  # type: ignore[arg-type]
path("classifier pickled after close", lambda place: ended(classifier(place), pickle.dumps))
path("embed a pair", lambda place: embedded(place, [(NOTE, NOTE)]))
path("embed one string", lambda place: embedded(place, NOTE))
path("embed without length 1", lambda place: embedded(place, [NOTE], normalize=False))
path("embedder made by hand", lambda _: Embedder(NOTE))  # type: ignore[arg-type]
path("embedder pickled after close", lambda place: ended(embedder(place), pickle.dumps))


# On the command line --------------------------------------------------------------------------------------------------


def embed(place: Place, content: str, *arguments: str) -> None:
    """`clinspan embed` over a file of notes; it fails."""
    folder = text_bundles.embedder(place.root / "inputs" / "vectors")
    assert main(["embed", "--model", str(folder), place.write("notes.jsonl", content), *arguments]) == 1


def resumed(place: Place, *, earlier: str, now: str) -> None:
    """A file of results made of `earlier`, and continued with `now`."""
    folder = text_bundles.embedder(place.root / "inputs" / "vectors")
    out = str(place.root / "inputs" / "done.jsonl")
    run = ["embed", "--model", str(folder), "-o", out]
    assert main([*run, place.write("notes.jsonl", earlier)]) == 0
    assert main([*run, place.write("notes.jsonl", now), "--resume"]) == 1


def paired(place: Place) -> None:
    folder = text_bundles.classifier(place.root / "inputs" / "texts")
    note = place.write("note.txt", NOTE)
    assert main(["classify", "--model", str(folder), note, "--pair-field", "b"]) == 1


BAD = json.dumps({"id": "a", "text": [NOTE]})
path("embed stops at a bad line", lambda place: embed(place, BAD))
path(
    "embed into nowhere",
    lambda place: embed(place, BAD, "-f", "npy", "-o", place.write("f", "") + "/a.npy"),
)
ROW = {"id": "a", "text": NOTE}
path(
    "embed resumes other notes",
    lambda place: resumed(place, earlier=json.dumps(ROW), now=json.dumps({**ROW, "id": "b"})),
)
path(
    "embed resumes other texts",
    lambda place: resumed(place, earlier=json.dumps(ROW), now=json.dumps({**ROW, "text": f"{NOTE} "})),
)
path("classify a pair of one", paired)
