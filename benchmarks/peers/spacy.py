"""A spaCy pipeline with a transformer NER of a checkpoint's size: curated BERT with random weights, listener, parser.

It needs nothing from a Hub: `spacy-curated-transformers` builds the encoder from its configuration and reads the word
pieces of the checkpoint's own vocabulary. Windows are those of spaCy's published transformer pipelines (144 word pieces,
104 apart). `HFPieceEncoderLoader` was tried and asks transformers for word pieces. Not tried: `HFTransformerEncoderLoader`,
which asks it for weights, and spacy-transformers, which needs transformers below 4.50.

    python3.11 -m venv SPACY_ENV
    SPACY_ENV/bin/pip install torch==2.13.0 "spacy>=3.8,<3.9" "spacy-curated-transformers<1" onnxruntime
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import Found, Run

_CONFIG = """
[nlp]
lang = "en"
pipeline = ["transformer", "ner"]

[components]

[components.transformer]
factory = "curated_transformer"
all_layer_outputs = false

[components.transformer.model]
@architectures = "spacy-curated-transformers.BertTransformer.v1"
vocab_size = {vocab_size}
hidden_width = {hidden_size}
intermediate_width = {intermediate_size}
num_hidden_layers = {num_hidden_layers}
num_attention_heads = {num_attention_heads}

[components.transformer.model.piece_encoder]
@architectures = "spacy-curated-transformers.BertWordpieceEncoder.v1"

[components.transformer.model.with_spans]
@architectures = "spacy-curated-transformers.WithStridedSpans.v1"
stride = 104
window = 144

[components.ner]
factory = "ner"

[components.ner.model]
@architectures = "spacy.TransitionBasedParser.v2"
state_type = "ner"
extra_state_tokens = false
hidden_width = 64
maxout_pieces = 2
use_upper = false

[components.ner.model.tok2vec]
@architectures = "spacy-curated-transformers.LastTransformerLayerListener.v1"
width = {hidden_size}
upstream = "transformer"

[components.ner.model.tok2vec.pooling]
@layers = "reduce_mean.v1"

[initialize]

[initialize.components]

[initialize.components.transformer]

[initialize.components.transformer.piecer_loader]
@misc = "benchmarks.Vocabulary.v1"
path = "{vocabulary}"
"""


def load(*, checkpoint: str, threads: int, bundle: str) -> Run:
    """Load the pipeline of a checkpoint's size, made beside it at the first call and read from disk afterwards."""
    import spacy
    import torch

    torch.set_num_threads(threads)
    _register()
    folder = Path(f"{checkpoint.rstrip('/')}-spacy")
    if not folder.is_dir():
        _make(Path(checkpoint)).to_disk(folder)
    pipeline = spacy.load(folder)

    def run(texts: Sequence[str]) -> Found:
        return [[(e.label_, e.start_char, e.end_char) for e in doc.ents] for doc in pipeline.pipe(texts)]

    return run


def _make(checkpoint: Path) -> Any:
    from spacy.util import load_model_from_config
    from thinc.api import Config

    settings = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    config = Config().from_str(_CONFIG.format(**settings, vocabulary=checkpoint / "vocab.txt"))
    pipeline = load_model_from_config(config, auto_fill=True)
    for name in sorted({label.partition("-")[2] for label in settings["label2id"]} - {""}):
        pipeline.get_pipe("ner").add_label(name)
    pipeline.initialize()
    return pipeline


def _register() -> None:
    from spacy.util import registry

    def vocabulary(path: str) -> Any:
        def fill(model: Any, **_samples: Any) -> Any:
            from curated_tokenizers import WordPieceProcessor

            pieces = Path(path).read_text(encoding="utf-8").splitlines()
            model.attrs["wordpiece_processor"] = WordPieceProcessor(pieces)
            model.attrs["lowercase"] = model.attrs["strip_accents"] = True
            return model

        return fill

    registry.misc.register("benchmarks.Vocabulary.v1", func=vocabulary)
