"""From annotated documents to a checkpoint: a tiny encoder, a few notes of our own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clinspan.documents.document import Document, Entity
from clinspan.errors import InputError
from clinspan.text.tokenizer import Tokenizer
from clinspan_export.train.settings import TrainingSettings

pytestmark = pytest.mark.export

DRUGS = ("aspirin", "heparin", "insulin", "morphine", "warfarin", "zinc")
WORDS = (
    "takes",
    "she",
    "he",
    "denies",
    "daily",
    "pain",
    "now",
    "no",
    "and",
    ".",
    "##s",
    "##in",
    "as",
    "##pir",
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers with a vocabulary of a few words."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("base")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *DRUGS[1:], *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), "utf-8")
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tensors this small only lose by being shared out."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def notes(count: int, *, labels: frozenset[str] | None = None) -> list[Document]:
    """Short notes, every drug in them marked."""
    rng = np.random.default_rng(count)
    made = []
    for number in range(count):
        drug = DRUGS[rng.integers(len(DRUGS))]
        text = f"{rng.choice(('she', 'he'))} takes {drug} daily . no pain now"
        at = text.index(drug)
        made.append(Document(str(number), text, (Entity(at, at + len(drug), "DRUG"),), labels))
    return made


def settings(**changes: Any) -> TrainingSettings:
    plain = TrainingSettings(
        epochs=12, learning_rate=3e-3, batch_tokens=128, window=20, average=0.5, patience=12
    )
    return replace(plain, **changes)


def silent(_: str) -> None:
    """Progress to nowhere."""


def test_learns_and_saves_what_it_measured(base: Path, tmp_path: Path) -> None:
    """A task that can be learnt is learnt, and the saved checkpoint answers as the score says."""
    from transformers import AutoModelForTokenClassification

    from clinspan_export.train.finetune import finetune

    outcome = finetune(
        notes(60),
        {"dev": notes(20)},
        base,
        tmp_path,
        labels=["DRUG"],
        settings=settings(),
        progress=silent,
    )
    assert outcome.best_score > 0.95
    model = AutoModelForTokenClassification.from_pretrained(tmp_path)
    assert model.config.id2label == {0: "O", 1: "B-DRUG", 2: "I-DRUG"}
    assert not (tmp_path / "training_state.pt").exists()


@pytest.mark.parametrize("line_ends", [True, False])
def test_what_only_lines_tell_is_learnt_with_line_ends(base: Path, tmp_path: Path, line_ends: bool) -> None:
    """The same word is an entity at the start of a line and none elsewhere: a tokenizer that drops line ends cannot tell."""
    from clinspan_export.train.finetune import finetune

    def made(count: int) -> list[Document]:
        rng = np.random.default_rng(count)
        words = [rng.choice(("she", "now", "daily"), size=rng.integers(1, 4)).tolist() for _ in range(count)]
        gaps = ["\n" if rng.random() < 0.5 else " " for _ in range(count)]
        texts = [(" ".join(before), gap) for before, gap in zip(words, gaps, strict=True)]
        return [
            Document(
                str(n),
                f"{before}{gap}zinc now",
                (Entity(len(before) + 1, len(before) + 5, "DRUG"),) if gap == "\n" else (),
            )
            for n, (before, gap) in enumerate(texts)
        ]

    told = settings(epochs=40, patience=40, line_ends=line_ends)
    outcome = finetune(
        made(80), {"dev": made(30)}, base, tmp_path, labels=["DRUG"], settings=told, progress=silent
    )
    assert (outcome.best_score > 0.95) == line_ends


def test_same_seed_same_scores(base: Path, tmp_path: Path) -> None:
    """Two runs with one seed score the same in every epoch, with another seed they do not."""
    from clinspan_export.train.finetune import finetune

    scores = [
        finetune(
            notes(20), {"dev": notes(9)}, base, tmp_path / str(number), labels=["DRUG"],
            settings=settings(epochs=5, seed=seed), progress=silent,
        ).scores
        for number, seed in enumerate((1, 1, 2))
    ]  # fmt: skip
    assert scores[0] == scores[1]
    assert scores[0] != scores[2]


def test_stopped_run_goes_on_to_the_same_end(base: Path, tmp_path: Path) -> None:
    """A run that was stopped after some epochs and resumed ends where an unbroken one ends."""
    from clinspan_export.train.finetune import finetune

    def run(out: Path, say: Callable[[str], None]) -> tuple[float, ...]:
        return finetune(
            notes(20), {"dev": notes(9)}, base, out, labels=["DRUG"], settings=settings(epochs=6), resume=True,
            progress=say,
        ).scores  # fmt: skip

    def pull_the_plug(line: str) -> None:
        if line.startswith("epoch 4/"):
            raise KeyboardInterrupt

    whole = run(tmp_path / "whole", silent)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", pull_the_plug)
    assert run(tmp_path / "broken", silent) == whole


def test_state_of_other_settings_is_refused(base: Path, tmp_path: Path) -> None:
    """Going on with other settings than the run began with is an error, not a quiet mixture."""
    from clinspan_export.train.finetune import finetune

    def pull_the_plug(line: str) -> None:
        if line.startswith("epoch 2/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(notes(9), {}, base, tmp_path, labels=["DRUG"], settings=settings(), progress=pull_the_plug)
    with pytest.raises(InputError, match="other settings"):
        finetune(notes(9), {}, base, tmp_path, labels=["DRUG"], settings=settings(seed=5), resume=True)


def test_early_stop(base: Path, tmp_path: Path) -> None:
    """Training ends once `patience` epochs brought nothing better."""
    from clinspan_export.train.finetune import finetune

    outcome = finetune(
        notes(9), {"dev": notes(9)}, base, tmp_path, labels=["DRUG"],
        settings=settings(epochs=30, learning_rate=1e-9, patience=2), progress=silent,
    )  # fmt: skip
    assert len(outcome.scores) == 3


def allowed_classes(base: Path, document: Document, labels: list[str]) -> list[set[str]]:
    from clinspan_export.train.windows import bio_classes, encode

    (window,) = encode([document], Tokenizer(base / "tokenizer.json"), labels, window=20)
    classes = bio_classes(labels)
    return [{classes[i] for i in np.flatnonzero(row)} for row in window.allowed]


def test_loss_falls_on_first_subtokens_only(base: Path) -> None:
    """Special tokens and a word's later subtokens carry no loss."""
    document = Document("1", "takes aspirin", (Entity(6, 13, "DRUG"),))
    assert allowed_classes(base, document, ["DRUG"]) == [set(), {"O"}, {"B-DRUG"}, set(), set(), set()]


def test_what_nobody_looked_for_is_no_evidence(base: Path) -> None:
    """Outside of entities, every class of a label that was not looked for stays allowed beside O."""
    document = Document("1", "she takes zinc", (Entity(10, 14, "DRUG"),), frozenset({"DRUG"}))
    open_ = {"O", "B-PROBLEM", "I-PROBLEM"}
    assert allowed_classes(base, document, ["DRUG", "PROBLEM"]) == [set(), open_, open_, {"B-DRUG"}, set()]


def test_masked_loss_is_minus_log_of_the_allowed_mass() -> None:
    """The loss is -log of the summed probability of the allowed classes, against a plain calculation."""
    torch = pytest.importorskip("torch")
    from clinspan_export.train.finetune import _loss

    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 5, 4))
    allowed = rng.random((2, 5, 4)) < 0.5
    allowed[0, 0] = False
    mass = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    plain = [
        -np.log(mass[b, t][allowed[b, t]].sum()) for b in range(2) for t in range(5) if allowed[b, t].any()
    ]
    assert _loss(torch.tensor(logits), torch.tensor(allowed)).item() == pytest.approx(np.mean(plain))


def test_long_documents_lose_nothing(base: Path) -> None:
    """A document longer than a window is cut as the runtime cuts it, and every word is in one window."""
    from clinspan_export.train.windows import encode

    text = " . ".join(["she takes zinc daily"] * 40)
    tokenizer = Tokenizer(base / "tokenizer.json")
    rows = encode([Document("1", text, ())], tokenizer, ["DRUG"], window=20)
    first, last = len(tokenizer.prefix), len(tokenizer.suffix)
    read = np.concatenate([row.ids[first:-last] for row in rows])
    assert read.tolist() == tokenizer.encode(text).ids.tolist()
    assert sum(row.allowed.any(axis=1).sum() for row in rows) == len(text.split())
    assert max(len(row.ids) for row in rows) <= 20 + first + last


def test_unknown_label_is_refused(base: Path) -> None:
    """An entity whose label is not among the classes is an error that names both."""
    document = Document("1", "zinc", (Entity(0, 4, "DRUG"),))
    with pytest.raises(InputError, match="labelled DRUG: expected TEST"):
        allowed_classes(base, document, ["TEST"])


def test_unknown_label_to_select_on_is_refused(base: Path, tmp_path: Path) -> None:
    """Before any epoch runs: a label that is not trained could only count as missed."""
    from clinspan_export.train.finetune import finetune

    development = {"dev": [Document("7", "zinc", (Entity(0, 4, "TEST"),))]}
    with pytest.raises(InputError, match="document 7 has an entity labelled TEST: expected DRUG"):
        finetune(notes(9), development, base, tmp_path, labels=["DRUG"], settings=settings(), progress=silent)


def test_annotations_to_bundle_in_one_command(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`train-bundle` goes from AutoML JSONL to a bundle that recognizes, and notes its scores in the manifest."""
    from clinspan import Recognizer
    from clinspan.documents.formats import automl
    from clinspan_export.cli.main import main

    for name, count in (("train", 60), ("dev", 20)):
        with (tmp_path / f"{name}.jsonl").open("w", encoding="utf-8") as stream:
            automl.write(notes(count), stream)
    code = main(
        ["train-bundle", str(tmp_path / "train.jsonl"), "--dev", str(tmp_path / "dev.jsonl"), "--base", str(base),
         "--out", str(tmp_path / "bundle"), "--learning-rate", "3e-3", "--batch-tokens", "128", "--window", "20",
         "--epochs", "12", "--threads", "1"]
    )  # fmt: skip
    assert code == 0
    assert "micro" in capsys.readouterr().out
    spans = Recognizer.load(tmp_path / "bundle", threads=1).recognize(
        "she takes warfarin daily . no pain now"
    )
    assert [(span.label, span.text) for span in spans] == [("DRUG", "warfarin")]
    manifest = json.loads((tmp_path / "bundle/clinspan.json").read_text("utf-8"))
    assert manifest["window"] == 20
    assert manifest["evaluation"]["development"]["exact"]["f1"] > 0.9


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--epochs=0", "epochs is 0"),
        ("--batch-tokens=0", "batch_tokens is 0"),
        ("--window=0", "window is 0"),
        ("--patience=0", "patience is 0"),
        ("--threads=0", "threads is 0"),
        ("--learning-rate=nan", "learning_rate is nan"),
        ("--seed=-1", "a seed of 0 or more"),
    ],
)
def test_a_number_out_of_range_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, message: str
) -> None:
    """It is neither obeyed nor replaced by the default, and the line names it."""
    from clinspan_export.cli.main import main

    assert main(["finetune", str(tmp_path / "train.jsonl"), f"--out={tmp_path / 'out'}", option]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
