"""A BERT with a CRF as people write them in PyTorch: encoder, linear layer, linear-chain CRF; trained and saved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer

from benchmarks.questions.checkpoints.training import Batch, fit
from clinspan.documents.document import Document
from clinspan.text.tokenizer import Tokenizer
from clinspan_export.train.windows import bio_classes, encode


class CrfLayer(nn.Module):  # type: ignore[misc]  # torch has no types here
    """A linear-chain CRF over c labels, its tables under the names that pytorch-crf gives them (Lafferty et al. 2001)."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.transitions = nn.Parameter(torch.empty(labels, labels).uniform_(-0.1, 0.1))
        self.start_transitions = nn.Parameter(torch.empty(labels).uniform_(-0.1, 0.1))
        self.end_transitions = nn.Parameter(torch.empty(labels).uniform_(-0.1, 0.1))

    def loss(self, emissions: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        """Give the mean negative log-likelihood of labels, int64 (b, t); emissions (b, t, c), mask bool (b, t)."""
        rows = torch.arange(len(labels))
        given = emissions.gather(2, labels.unsqueeze(2)).squeeze(2)
        gold = self.start_transitions[labels[:, 0]] + given[:, 0]
        alpha = self.start_transitions + emissions[:, 0]
        for t in range(1, labels.shape[1]):
            on = mask[:, t]
            gold = gold + on * (self.transitions[labels[:, t - 1], labels[:, t]] + given[:, t])
            after = torch.logsumexp(alpha.unsqueeze(2) + self.transitions, dim=1) + emissions[:, t]
            alpha = torch.where(on.unsqueeze(1), after, alpha)
        gold = gold + self.end_transitions[labels[rows, mask.sum(1) - 1]]
        every: Tensor = torch.logsumexp(alpha + self.end_transitions, dim=1)
        return ((every - gold) / mask.sum(1)).mean()

    def best_path(self, emissions: Tensor) -> list[int]:
        """Find the labels of the best path through emissions, float32 (t, c), step by step and back (Viterbi 1967)."""
        score, history = self.start_transitions + emissions[0], []
        for row in emissions[1:]:
            best = (score.unsqueeze(1) + self.transitions + row).max(dim=0)
            score = best.values
            history.append(best.indices)
        path = [int((score + self.end_transitions).argmax())]
        for indices in reversed(history):
            path.append(int(indices[path[-1]]))
        return path[::-1]


class BertCRF(nn.Module):  # type: ignore[misc]  # torch has no types here
    """An encoder with a linear layer and a CRF behind it; its modules are called as in most published ones."""

    def __init__(self, encoder: Any, labels: int) -> None:
        super().__init__()
        self.bert = encoder
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(encoder.config.hidden_size, labels)
        self.crf = CrfLayer(labels)

    def emissions(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Give the scores of each token's labels, float32 (b, t, c)."""
        hidden = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        scores: Tensor = self.classifier(self.dropout(hidden))
        return scores


def train(
    documents: Sequence[Document], base: str, out: Path, labels: Sequence[str], *, epochs: int, window: int
) -> None:
    """Fine-tune a BERT-CRF on documents and save it as its authors would, with its own class named in config.json."""
    torch.manual_seed(0)
    names = bio_classes(labels)
    AutoTokenizer.from_pretrained(base).save_pretrained(out)
    rows = encode(documents, Tokenizer(out / "tokenizer.json"), labels, window=window)
    model = BertCRF(AutoModel.from_pretrained(base, add_pooling_layer=False), len(names)).train()

    def loss_of(batch: Batch) -> Tensor:
        scores = batch.of_words(model.emissions(batch.ids, batch.mask))
        return model.crf.loss(scores, batch.labels, batch.real)

    own = [*model.crf.parameters(), *model.classifier.parameters()]
    # The layers on top are new, and learn faster than the encoder.
    groups = [{"params": list(model.bert.parameters()), "lr": 2e-4}, {"params": own, "lr": 2e-3}]
    fit(groups, rows, loss_of, epochs=epochs)
    _save(model, base, out, names)


def load(folder: Path, labels: int) -> BertCRF:
    """Load a checkpoint that `train` saved, as its authors would: by its own class, every tensor in its place."""
    from safetensors.torch import load_file

    config = AutoConfig.from_pretrained(folder)
    model = BertCRF(AutoModel.from_config(config, add_pooling_layer=False), labels)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    model.eval()
    return model


def _save(model: BertCRF, base: str, out: Path, names: Sequence[str]) -> None:
    numbers = {name: number for number, name in enumerate(names)}
    config = AutoConfig.from_pretrained(base, id2label=dict(enumerate(names)), label2id=numbers)
    config.save_pretrained(out)
    content = json.loads((out / "config.json").read_text(encoding="utf-8"))
    (out / "config.json").write_text(json.dumps({**content, "architectures": ["BertCRF"]}, indent=2))
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
