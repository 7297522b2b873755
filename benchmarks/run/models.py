"""Checkpoints of real sizes with random weights, and their bundles; made where they are not there yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clinspan.bundle.loading import STARTER

ENTITIES = ("PROBLEM", "TEST", "TREATMENT", "DRUG", "DOSE", "FREQUENCY", "ANATOMY")
_ROBERTA = {"max_position_embeddings": 514, "type_vocab_size": 1}
_BASE = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}
LARGE = {
    "vocab_size": 50176,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
_DEBERTA = {
    "type_vocab_size": 0,
    "relative_attention": True,
    "position_biased_input": False,
    "pos_att_type": ["p2c", "c2p"],
    "position_buckets": 256,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
}
# Architecture -> its name in tests.support.tiny_checkpoints, and what makes it as large as the real one.
FULL_SIZE: dict[str, tuple[str, dict[str, Any]]] = {
    "distilbert": ("distilbert", {"vocab_size": 30522}),
    "bert": ("bert-cased", {"vocab_size": 28996}),
    "roberta": ("roberta", {"vocab_size": 50265, **_ROBERTA}),
    "megatron_bert": ("megatron-bert", LARGE),
    "modernbert": ("modernbert", {"vocab_size": 50368}),
    "deberta_v3": ("deberta-v3", {"vocab_size": 128100, **_BASE, **_DEBERTA}),
    "electra": ("electra", {"vocab_size": 30522, "embedding_size": 768, **_BASE}),
    "camembert": ("camembert", {"vocab_size": 32005, **_ROBERTA}),
    "xlm_roberta": ("xlm-roberta", {"vocab_size": 250002, **_ROBERTA}),
}


def made_checkpoint(
    folder: Path, kind: str, tokenizer: str | Path, settings: Mapping[str, Any] | None = None
) -> Path:
    """Make a checkpoint with 15 labels and random weights.

    Args:
        folder: where it is, or will be.
        kind: of `transformers`, such as `Bert`.
        tokenizer: a folder that lends its tokenizer.
        settings: of the configuration; the rest are transformers' defaults.
    """
    if folder.is_dir():
        return folder
    import torch
    import transformers

    names = ["O", *(f"{prefix}-{entity}" for entity in ENTITIES for prefix in "BI")]
    labels = dict(enumerate(names))
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(
        num_labels=len(names),
        id2label=labels,
        label2id={name: number for number, name in labels.items()},
        **(settings or {}),
    )
    getattr(transformers, f"{kind}ForTokenClassification")(config).save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(tokenizer, model_max_length=512).save_pretrained(folder)
    return folder


def headline_model(work: Path) -> tuple[Path, Path]:
    """Make the model of the headline table: BERT-base, 15 labels, random weights, the starter's vocabulary.

    Returns:
        Its checkpoint and its bundle, with fp32 and int8.
    """
    checkpoint = work / "bert-base"
    if not checkpoint.is_dir():
        from transformers import PreTrainedTokenizerFast

        names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
        lent = PreTrainedTokenizerFast(
            tokenizer_file=str(STARTER / "tokenizer.json"),
            **{f"{name}_token": token for name, token in names.items()},
        )
        lent.save_pretrained(work / "tokenizer")
        made_checkpoint(checkpoint, "Bert", work / "tokenizer", {"vocab_size": len(lent)})
    return checkpoint, made_bundle(checkpoint, work / "bundle", ("fp32", "int8"))


def made_bundle(checkpoint: Path, folder: Path, precisions: Sequence[str]) -> Path:
    """Export a checkpoint."""
    if not folder.is_dir():
        from clinspan_export import export

        export(str(checkpoint), folder, precisions=tuple(precisions))
    return folder
