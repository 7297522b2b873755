"""Tiny checkpoints with random weights, of the real architectures, with tokenizers of the real kinds.

Everything is made here from text that was written for the purpose; nothing is downloaded.
"""

from __future__ import annotations

import io
import re
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LINES = (
    "Patient presents with chest pain and shortness of breath for 2 days.",
    "ECG and troponin were ordered; aspirin 81 mg was given by mouth.",
    "History of hypertension, type 2 diabetes and hyperlipidaemia.",
    "Started metformin 500 mg twice daily and lisinopril 10 mg once a day.",
    "CT of the abdomen shows acute appendicitis without perforation.",
    "Denies fever, chills, nausea or vomiting. No focal neurological deficit.",
    "Douleurs thoraciques depuis 3 jours, œdème des membres inférieurs.",
    "Follow-up in 6 weeks; repeat chest X-ray to document clearing.",
)
BIO = ("O", "B-PROBLEM", "I-PROBLEM", "B-TEST", "I-TEST", "B-TREATMENT", "I-TREATMENT")
NOTE = (
    "CHIEF COMPLAINT:  Chest pain.\n\nHISTORY: 61-year-old woman with hypertension, œdème and type 2 diabetes\t"
    "who fell at home (three days ago). ECG was ordered; aspirin 81 mg given.\r\n\r\n"
    "  - metformin 500mg twice daily\n  - follow-up in 6 weeks 🙂 café\n"
) * 6

_SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "initializer_range": 0.2,
}
_MODERN = {
    **_SMALL,
    "num_hidden_layers": 4,
    "local_attention": 16,
    "max_position_embeddings": 1024,
    "initializer_cutoff_factor": 3.0,
}
_DISTIL = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "initializer_range": 0.2}


@dataclass(frozen=True, slots=True)
class Kind:
    """An architecture: transformers' names for its parts, the kind of its tokenizer, its sizes."""

    model: str
    tokenizer: Callable[[], Any]
    settings: dict[str, Any]


def wordpiece(*, lowercase: bool) -> Any:
    """BERT's tokenizer. Its vocabulary is every character and every other word: a trainer breaks ties at random."""
    from transformers import BertTokenizerFast

    text = " ".join(LINES).lower() if lowercase else " ".join(LINES)
    letters = sorted(set(text) - {" "})
    words = sorted(set(re.findall(r"\w{2,}", text)))[::2]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "vocab.txt")
        path.write_text(
            "\n".join([*special, *letters, *(f"##{c}" for c in letters), *words]), encoding="utf-8"
        )
        return BertTokenizerFast(str(path), do_lower_case=lowercase)


def byte_level() -> Any:
    """RoBERTa's byte-level BPE."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizerFast

    backend = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    backend.train_from_iterator(
        LINES, vocab_size=500, min_frequency=1, special_tokens=special, show_progress=False
    )
    vocabulary, merges = _bpe_parts(backend)
    return RobertaTokenizerFast(tokenizer_object=_roberta_backend(vocabulary, merges))


def _bpe_parts(backend: Any) -> tuple[dict[str, int], list[tuple[str, str]]]:
    import json

    state = json.loads(backend._tokenizer.to_str())["model"]
    return state["vocab"], [tuple(pair) for pair in state["merges"]]


def _roberta_backend(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    backend = Tokenizer(models.BPE(vocabulary, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.RobertaProcessing(
        ("</s>", vocabulary["</s>"]), ("<s>", vocabulary["<s>"]), add_prefix_space=False
    )
    return backend


def modern() -> Any:
    """ModernBERT's byte-level BPE, whose frame is BERT's."""
    from tokenizers import ByteLevelBPETokenizer, processors
    from transformers import PreTrainedTokenizerFast

    backend = ByteLevelBPETokenizer()
    names = {
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "mask_token": "[MASK]",
    }
    backend.train_from_iterator(
        LINES, vocab_size=500, min_frequency=1, special_tokens=list(names.values()), show_progress=False
    )
    frame = [(name, backend.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    backend._tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]", frame
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend._tokenizer, **names)


def sentencepiece(kind: str) -> Callable[[], Any]:
    """A sentencepiece Unigram model, in the tokenizer class of that name."""

    def make() -> Any:
        import sentencepiece as spm
        import transformers

        stream = io.BytesIO()
        ids: dict[str, Any] = {}
        if kind.startswith("Deberta"):
            ids = {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
        elif kind.startswith("Albert"):
            ids = {
                "pad_id": 0,
                "unk_id": 1,
                "bos_id": -1,
                "eos_id": -1,
                "control_symbols": "[CLS],[SEP],[MASK]",
            }
        spm.SentencePieceTrainer.train(
            sentence_iterator=iter(LINES * 4),
            model_writer=stream,
            vocab_size=160,
            hard_vocab_limit=False,
            minloglevel=2,
            **ids,
        )
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = getattr(transformers, kind)
            Path(folder, tokenizer.vocab_files_names["vocab_file"]).write_bytes(stream.getvalue())
            return tokenizer.from_pretrained(folder)

    return make


def cased() -> Any:
    """WordPiece that keeps case and accents."""
    return wordpiece(lowercase=False)


def uncased() -> Any:
    """WordPiece that lowers case and strips accents."""
    return wordpiece(lowercase=True)


ARCHITECTURES: dict[str, Kind] = {
    "bert-cased": Kind("Bert", cased, {**_SMALL, "max_position_embeddings": 512}),
    "bert-uncased": Kind("Bert", uncased, {**_SMALL, "max_position_embeddings": 128}),
    "megatron-bert": Kind("MegatronBert", cased, {**_SMALL, "max_position_embeddings": 512}),
    "distilbert": Kind("DistilBert", uncased, {**_DISTIL, "max_position_embeddings": 512}),
    "roberta": Kind("Roberta", byte_level, {**_SMALL, "max_position_embeddings": 66, "type_vocab_size": 1}),
    "electra": Kind("Electra", uncased, {**_SMALL, "embedding_size": 16}),
    "deberta-v2": Kind(
        "DebertaV2",
        sentencepiece("DebertaV2TokenizerFast"),
        {
            **_SMALL,
            "type_vocab_size": 0,
            "relative_attention": True,
            "position_biased_input": False,
            "pos_att_type": ["p2c", "c2p"],
        },
    ),
    "deberta-v3": Kind(
        "DebertaV2",
        sentencepiece("DebertaV2TokenizerFast"),
        {
            **_SMALL,
            "type_vocab_size": 0,
            "relative_attention": True,
            "position_biased_input": False,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 32,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "max_relative_positions": -1,
        },
    ),
    "modernbert": Kind(
        "ModernBert",
        modern,
        _MODERN,
    ),
    "camembert": Kind(
        "Camembert",
        sentencepiece("CamembertTokenizerFast"),
        {**_SMALL, "max_position_embeddings": 514, "type_vocab_size": 1},
    ),
    "xlm-roberta": Kind(
        "XLMRoberta",
        sentencepiece("XLMRobertaTokenizerFast"),
        {**_SMALL, "max_position_embeddings": 514, "type_vocab_size": 1},
    ),
    "albert": Kind("Albert", sentencepiece("AlbertTokenizerFast"), {**_SMALL, "embedding_size": 16}),
    "mpnet": Kind("MPNet", uncased, {**_SMALL, "max_position_embeddings": 514}),
    # From transformers 5 on; the rotary positions have settings of their own there.
    "modernbert-rope": Kind(
        "ModernBert",
        modern,
        {
            **_MODERN,
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 4321.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 54.0},
            },
        },
    ),
    "eurobert": Kind(
        "EuroBert", modern, {**_SMALL, "num_key_value_heads": 2, "max_position_embeddings": 512}
    ),
    "gte": Kind("Gte", sentencepiece("XLMRobertaTokenizerFast"), {**_SMALL, "max_position_embeddings": 512}),
    "nomic-bert": Kind("NomicBert", uncased, {**_SMALL, "max_position_embeddings": 512}),
}
NEWER = ("modernbert-rope", "eurobert", "gte", "nomic-bert")


def save(folder: Path, name: str = "bert-uncased", *, labels: Sequence[str] = BIO, seed: int = 0) -> Path:
    """Write a tiny checkpoint of one of the `ARCHITECTURES`.

    Weights are random and the classifier's are large, so that all labels occur and none by a hair.
    """
    return write(folder, ARCHITECTURES[name], labels=labels, seed=seed)


def write(folder: Path, kind: Kind, *, labels: Sequence[str] = BIO, seed: int = 0) -> Path:
    """Write a checkpoint of any size: config.json, model.safetensors and the tokenizer's files."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # torch announces what it will deprecate when transformers is imported
        return _write(folder, kind, labels, seed)


def _write(folder: Path, kind: Kind, labels: Sequence[str], seed: int) -> Path:
    import torch
    import transformers

    tokenizer = kind.tokenizer()
    known = {
        key: getattr(tokenizer, key)
        for key in ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")
        if getattr(tokenizer, key) is not None
    }
    config = getattr(transformers, f"{kind.model}Config")(
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        **{"vocab_size": len(tokenizer), **known, **kind.settings},
    )
    torch.manual_seed(seed)
    model = getattr(transformers, f"{kind.model}ForTokenClassification")(config)
    with torch.no_grad():
        model.classifier.weight.normal_(0, 0.5)
        model.classifier.bias.normal_(0, 0.5)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
