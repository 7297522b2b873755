"""The same weights twice, in transformers' own pipeline and in clinspan on their export, from tiny or real checkpoints."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinspan import Recognizer, Span
from clinspan.text.decode import AGGREGATIONS, Aggregation, read_words, spans

BIO = ("O", "B-PROBLEM", "I-PROBLEM", "B-TEST", "I-TEST")


def write_checkpoint(
    folder: Path,
    backend: Any,
    *,
    labels: Sequence[str] = BIO,
    kind: str = "bert",
    seed: int = 0,
    always: str | None = None,
) -> Path:
    """A token classifier of two layers in Hugging Face form; it may give every token the same label."""
    import torch
    from transformers import (
        BertConfig,
        BertForTokenClassification,
        PreTrainedTokenizerFast,
        RobertaConfig,
        RobertaForTokenClassification,
    )

    torch.manual_seed(seed)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=512,
    )
    settings = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 514,
        "pad_token_id": 0,
        "id2label": dict(enumerate(labels)),
        "label2id": {name: index for index, name in enumerate(labels)},
        "initializer_range": 0.5,
    }
    if kind == "bert":
        model = BertForTokenClassification(BertConfig(**settings))
    else:
        model = RobertaForTokenClassification(RobertaConfig(**settings))
    torch.nn.init.normal_(model.classifier.weight, std=0.0 if always else 1.0)
    if always:
        torch.nn.init.zeros_(model.classifier.bias)
        model.classifier.bias.data[list(labels).index(always)] = 8.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Pair:
    """The same weights twice: transformers' own pipeline, and clinspan on their fp32 export."""

    pipeline: Any
    recognizer: Recognizer

    def theirs(self, note: str) -> dict[Aggregation, list[tuple[str, int, int, float]]]:
        """(label, start, end, score) from the pipeline for each strategy, from one forward pass."""
        import torch

        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            _, forward, _ = self.pipeline._sanitize_parameters(aggregation_strategy="first")
            parts = self.pipeline.preprocess(note, is_split_into_words=False)
            outputs = [self.pipeline.forward(part, **forward) for part in parts]
            results = {
                aggregation: self.pipeline.postprocess(outputs, _strategy(aggregation))
                for aggregation in AGGREGATIONS
            }
        return {
            aggregation: [(e["entity_group"], e["start"], e["end"], float(e["score"])) for e in found]
            for aggregation, found in results.items()
        }

    def ours(self, note: str) -> dict[Aggregation, list[Span]]:
        """Spans from clinspan for each strategy, from one run of the model."""
        logits = self.recognizer.token_logits(note)
        encoding = self.recognizer._tokenizer.encode(note)
        table = self.recognizer._table
        return {
            aggregation: spans(note, encoding, [read_words(logits, encoding.word_ids, aggregation)], table)
            for aggregation in AGGREGATIONS
        }


def _strategy(aggregation: Aggregation) -> Any:
    from transformers.pipelines.token_classification import AggregationStrategy

    return AggregationStrategy(aggregation)


def make_pair(checkpoint: Path, out: Path, **options: Any) -> Pair:
    """Export a checkpoint, and load both sides on windows as large as the model's."""
    import torch
    from transformers import pipeline

    from clinspan_export import export

    # Threads that wait for each other in a spin cost more than they save on short texts.
    torch.set_num_threads(1)

    bundle = export(str(checkpoint), out, precisions=("fp32",), **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = pipeline("token-classification", model=str(checkpoint), device="cpu")
    return Pair(peer, Recognizer.load(out, precision="fp32", window=bundle.max_window, overlap=0))
