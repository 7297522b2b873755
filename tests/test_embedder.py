"""An embedder turns a whole text into one vector, from all of its windows; alone or among others, to the bit."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clinspan import BundleError, Classifier, ClosedError, Embedder, InputError, Recognizer
from clinspan.bundle.manifest import open_bundle
from clinspan.report import LoadedModel
from clinspan.text.merge import Vectors
from clinspan.text.tokenizer import Tokenizer
from clinspan.texts import cut_of, tokenize_text
from tests.support import bundles
from tests.support.example_notes import NOTE as ONE_NOTE
from tests.support.tiny import text_bundles

NOTE = "\n\n".join([ONE_NOTE] * 6) + " Pneumonia of both lungs, treated with ceftriaxone."


Pool = Callable[[np.ndarray], np.ndarray]
POOLED: dict[str, Pool] = {
    "mean_tokens": lambda rows: rows.mean(axis=0),
    "cls_token": lambda rows: rows[0],
    "max_tokens": lambda rows: rows.max(axis=0),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return text_bundles.embedder(tmp_path_factory.mktemp("e") / "b")


@pytest.fixture(scope="module")
def embedder(folder: Path) -> Embedder:
    return Embedder.load(folder, threads=2)


def vectors_of(folder: Path, text: str) -> tuple[np.ndarray, list[int]]:
    """The tiny model's answer to each window, worked out by hand, and the windows' tokens."""
    tokenizer = Tokenizer(folder / "tokenizer.json")
    tokenized = tokenize_text(text, tokenizer, cut_of(60, 0, tokenizer))
    table = text_bundles.rows(4).astype(np.float64)
    rows = [table[tokenizer.frame(ids)].mean(axis=0) for ids in tokenized.windows]  # type: ignore[arg-type]
    return np.stack(rows), list(tokenized.tokens)


@pytest.mark.parametrize("text", ["Fever.", "", NOTE, NOTE * 5])
def test_a_vector_is_the_mean_of_its_windows_weighed_by_their_tokens(
    embedder: Embedder, folder: Path, text: str
) -> None:
    """That of a text of one window is the model's own."""
    rows, tokens = vectors_of(folder, text)
    expected = np.average(rows, axis=0, weights=np.maximum(tokens, 1))
    found = embedder.embed([text])
    assert found.dtype == np.float32
    assert found == pytest.approx(expected[None], abs=1e-5)


def test_vectors_have_length_one_where_asked_for_or_where_the_model_says_so(
    tmp_path: Path, embedder: Embedder
) -> None:
    """The tiny model's graph normalises nothing, so both ways are seen to work."""
    found = embedder.embed([NOTE, "Fever."], normalize=True)
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1], abs=1e-6)
    plain = embedder.embed([NOTE, "Fever."])
    assert found == pytest.approx(plain / np.linalg.norm(plain, axis=1, keepdims=True), abs=1e-6)
    unit = Embedder.load(text_bundles.embedder(tmp_path / "b", Vectors(4, normalize=True)), threads=1)
    assert np.linalg.norm(unit.embed([NOTE]), axis=1) == pytest.approx([1], abs=1e-6)
    with pytest.raises(InputError, match="normalize is False"):
        unit.embed([NOTE], normalize=False)


def test_truncation_is_asked_for_by_name(embedder: Embedder, folder: Path) -> None:
    """Then the first tokens alone are read."""
    tokenizer = Tokenizer(folder / "tokenizer.json")
    first = tokenizer.frame(tokenizer.encode(NOTE).ids[:60])
    expected = text_bundles.rows(4)[first].mean(axis=0, keepdims=True)
    assert embedder.embed([NOTE], truncate=True) == pytest.approx(expected, abs=1e-5)


def test_neighbours_change_no_bit(embedder: Embedder) -> None:
    """One by one, in a stream, and on an event loop: the same vectors."""
    texts = ["Fever.", NOTE, "", "She has pneumonia.", NOTE * 3]
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert np.array_equal(embedder.embed(texts), alone)
    assert np.array_equal(np.stack(list(embedder.pipe(iter(texts)))), alone)
    assert np.array_equal(asyncio.run(embedder.aembed(texts)), alone)
    assert embedder.embed([]).shape == asyncio.run(embedder.aembed([])).shape == (0, 4)


def test_a_gpu_reads_short_texts_in_batches(folder: Path) -> None:
    """Many rows at once, padded, in the order of the texts; on a CPU each window is a run of its own."""
    texts = ["Fever.", NOTE, "", "She has pneumonia.", "Cough."] * 4
    loaded = Embedder.load(folder, threads=2)
    expected, rows = loaded.embed(texts), counted_rows(loaded)
    loaded.embed(texts)
    assert set(rows) == {1}
    rows.clear()
    loaded._runner._batch_tokens = 256  # as for a provider that runs batches
    assert loaded.embed(texts) == pytest.approx(expected, abs=1e-6)
    assert max(rows) > 3
    assert len(rows) < len(texts)


def counted_rows(model: LoadedModel) -> list[int]:
    """A list that grows by the rows of each run of a model."""
    session, rows = model._loaded.model.session, []
    run = session.run

    def counting(ids: np.ndarray, *more: np.ndarray) -> np.ndarray:
        rows.append(len(ids))
        return run(ids, *more)

    session.run = counting  # type: ignore[assignment, method-assign]
    return rows


def test_what_is_no_list_of_texts_is_refused(embedder: Embedder) -> None:
    """One string would be embedded letter by letter."""
    with pytest.raises(InputError, match="texts is one string: pass a list of texts"):
        embedder.embed("Fever.")
    with pytest.raises(InputError, match="note 1: it is a pair"):
        embedder.embed(["a", ("a", "b")])  # type: ignore[list-item]
    with pytest.raises(InputError, match="at most 20,000,000"):
        embedder.embed(["a" * 20_000_001])


def test_a_manifest_says_all_of_it(tmp_path: Path) -> None:
    """A manifest is read as it was written, and a graph that gives other vectors is refused."""
    vectors = Vectors(4, normalize=True, pooling="cls")
    folder = text_bundles.embedder(tmp_path / "b", vectors)
    assert open_bundle(folder).head == vectors
    with pytest.raises(BundleError, match="gives 4 sentence_embedding for a text, expected 5"):
        Embedder.load(bundles.edit(folder, "clinspan.json", dimension=5))


@pytest.mark.parametrize(("pooling", "pooled"), POOLED.items())
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("output", ["last_hidden_state", "token_embeddings"])
def test_a_folder_of_sentence_transformers_is_read_as_it_pools(
    tmp_path: Path, pooling: str, pooled: Pool, normalize: bool, output: str
) -> None:
    """Its modules.json says how; the special tokens count, as they do there, and every window of a long text."""
    folder = text_bundles.sentence_folder(tmp_path / "b", pooling=pooling, normalize=normalize, output=output)
    tokenizer = Tokenizer(folder / "tokenizer.json")
    table = text_bundles.rows(4).astype(np.float64)
    loaded = Embedder.load(folder, threads=2)
    assert loaded.report().window == 60
    for text in ("Fever.", "", NOTE):
        tokenized = tokenize_text(text, tokenizer, cut_of(60, 0, tokenizer))
        vectors = [pooled(table[tokenizer.frame(ids)]) for ids in tokenized.windows]  # type: ignore[arg-type]
        if normalize:
            vectors = [vector / np.linalg.norm(vector) for vector in vectors]
        expected = np.average(vectors, axis=0, weights=np.maximum(tokenized.tokens, 1))
        if normalize:
            expected /= np.linalg.norm(expected)
        assert loaded.embed([text])[0] == pytest.approx(expected, abs=1e-5)
    # A batch, as on a GPU: padding is not pooled.
    contents = [tokenizer.encode(text).ids[:40] for text in ("Fever.", NOTE)]
    alone = [loaded._loaded.model.logits(ids) for ids in contents]
    assert np.allclose(loaded._loaded.model.batch(contents), alone, atol=1e-6)
    # A manifest of it, as a package has one, is read back.
    bundle = open_bundle(folder)
    bundle.write_manifest()
    assert open_bundle(folder).head == bundle.head
    assert np.array_equal(Embedder.load(folder, threads=1).embed([NOTE]), loaded.embed([NOTE]))


DENSE = [
    {"path": "", "type": "x.Transformer"},
    {"path": "1_Pooling", "type": "x.Pooling"},
    {"type": "x.Dense"},
]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"pooling": "weightedmean_tokens"},
            "unknown pooling 'weightedmean': expected one of mean, cls, max",
        ),
        ({"pooling": "cls_token_too"}, "unknown pooling 'cls_token_too'"),
        ({"modules": DENSE}, "expected a transformer, its pooling"),
        ({"modules": [{"type": "x.Transformer"}, {"type": "x.Pooling", "path": "../1_Pooling"}]}, "outside"),
        ({"modules": {}}, "not a list of modules"),
        ({"modules": [{"type": "x.Transformer"}, {"type": "x.Pooling", "path": "none"}]}, "pools in a way"),
        ({"output": "pooler_output"}, "has no output called sentence_embedding"),
    ],
)
def test_a_folder_that_pools_in_another_way_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    """Before any text, with what would help."""
    with pytest.raises(BundleError, match=message):
        Embedder.load(text_bundles.sentence_folder(tmp_path / "b", **changes))


def test_the_length_of_its_windows_may_stand_with_the_tokenizer(tmp_path: Path) -> None:
    """As sentence-transformers 6 writes it; a length without limit means the model's own."""
    folder = text_bundles.sentence_folder(tmp_path / "b")
    (folder / "sentence_bert_config.json").unlink()
    for length, window in ((34, 32), (10**30, 510)):
        (folder / "tokenizer_config.json").write_text(f'{{"model_max_length": {length}}}', encoding="utf-8")
        assert open_bundle(folder).window == window


def test_an_encoder_that_says_no_pooling_is_refused_with_a_command(tmp_path: Path) -> None:
    """Nothing is guessed: mean and cls give other vectors."""
    folder = text_bundles.sentence_folder(tmp_path / "b")
    (folder / "modules.json").unlink()
    for loader in (Embedder.load, Classifier.load, Recognizer.load):
        with pytest.raises(BundleError, match=r"clinspan-export CHECKPOINT OUT --pooling mean"):
            loader(folder)


def test_it_closes_and_pickles_as_a_recognizer_does(folder: Path) -> None:
    """One life for all three."""
    with Embedder.load(folder, threads=1) as embedder:
        again = pickle.loads(pickle.dumps(embedder))
        assert np.array_equal(again.embed([NOTE]), embedder.embed([NOTE]))
        assert embedder.report().task == "feature-extraction"
        assert (embedder.report().labels, embedder.dimension) == ((), 4)
        assert repr(embedder) == "<Embedder tiny, fp32, 4 numbers>"
    again.close()
    with pytest.raises(ClosedError):
        embedder.embed([NOTE])
