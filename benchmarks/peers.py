"""clinspan and what people would use instead, each behind one call: texts in, (label, start, end) out.

Every peer is set up as its own documentation says, once at its defaults for long notes and once at its best
documented settings on CPU; all get the same number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Found = list[list[tuple[str, int, int]]]
Run = Callable[[Sequence[str]], Found]


def load(variant: str, *, bundle: str, checkpoint: str, threads: int) -> Run:
    """Load one variant.

    Args:
        variant: a name of `VARIANTS`.
        bundle: folder with the ONNX models.
        checkpoint: folder with the PyTorch model that they come from.
        threads: cores to use.
    """
    return VARIANTS[variant](bundle=bundle, checkpoint=checkpoint, threads=threads)


def _clinspan(precision: str, **options: Any) -> Callable[..., Run]:
    def make(*, bundle: str, checkpoint: str, threads: int) -> Run:
        from clinspan import Recognizer

        recognizer = Recognizer.load(bundle, precision=precision, threads=threads, **options)

        def run(texts: Sequence[str]) -> Found:
            results = [recognizer.recognize(texts[0])] if len(texts) == 1 else recognizer.pipe(texts)
            return [[(s.label, s.start, s.end) for s in spans] for spans in results]

        return run

    return make


def _transformers(kind: str, stride: int, batch: int = 1) -> Callable[..., Run]:
    def make(*, bundle: str, checkpoint: str, threads: int) -> Run:
        import torch
        from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

        torch.set_num_threads(threads)
        dtype = torch.bfloat16 if kind == "bf16" else torch.float32
        model = AutoModelForTokenClassification.from_pretrained(checkpoint, dtype=dtype).eval()
        if kind == "int8":
            model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
        tokenizer = AutoTokenizer.from_pretrained(checkpoint, model_max_length=_length(model))
        return _pipeline(pipeline, model, tokenizer, stride, batch)

    return make


def _optimum(file: str, stride: int, batch: int = 1) -> Callable[..., Run]:
    def make(*, bundle: str, checkpoint: str, threads: int) -> Run:
        import onnxruntime
        from optimum.onnxruntime import ORTModelForTokenClassification
        from transformers import AutoTokenizer, pipeline

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        model = ORTModelForTokenClassification.from_pretrained(
            bundle, subfolder="onnx", file_name=file, session_options=settings
        )
        tokenizer = AutoTokenizer.from_pretrained(bundle, model_max_length=_length(model))
        return _pipeline(pipeline, model, tokenizer, stride, batch)

    return make


def _length(model: Any) -> int:
    return int(model.config.max_position_embeddings)


def _pipeline(pipeline: Any, model: Any, tokenizer: Any, stride: int, batch: int) -> Run:
    ner = pipeline(
        "token-classification",
        model=model,
        tokenizer=tokenizer,
        aggregation_strategy="first",
        stride=stride,
        batch_size=batch,
    )

    def run(texts: Sequence[str]) -> Found:
        return [[(e["entity_group"], e["start"], e["end"]) for e in found] for found in ner(list(texts))]

    return run


def _openmed(**options: Any) -> Callable[..., Run]:
    def make(*, bundle: str, checkpoint: str, threads: int) -> Run:
        import onnxruntime
        from openmed.onnx.inference import OnnxModel

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        model = OnnxModel.from_pretrained(
            bundle, variant="int8", local_files_only=True, session_options=settings
        )

        def run(texts: Sequence[str]) -> Found:
            found = model.predict_batch(list(texts), **options)
            return [[(e.label, e.start, e.end) for e in entities] for entities in found]

        return run

    return make


def _openvino(precision: str) -> Callable[..., Run]:
    """OpenVINO on our own windows: it has no pipeline of its own, so it gets ours."""

    def make(*, bundle: str, checkpoint: str, threads: int) -> Run:
        from pathlib import Path

        import numpy as np
        import openvino

        from clinspan.bundle.manifest import open_bundle
        from clinspan.text.decode import label_table, read_words, spans
        from clinspan.text.tokenizer import Tokenizer
        from clinspan.text.windows import plan

        opened = open_bundle(bundle)
        tokenizer = Tokenizer(Path(bundle, "tokenizer.json"))
        table = label_table(opened.labels)
        file = opened.models["int8" if precision == "int8" else "fp32"].path
        hint = {"INFERENCE_PRECISION_HINT": "bf16"} if precision == "bf16" else {}
        compiled = openvino.Core().compile_model(
            str(Path(bundle, file)), "CPU", {"INFERENCE_NUM_THREADS": threads, **hint}
        )

        def run(texts: Sequence[str]) -> Found:
            results = []
            for text in texts:
                encoding = tokenizer.encode(text)
                words = []
                for w in plan(encoding.cuts, window=opened.window):
                    ids = tokenizer.frame(encoding.ids[w.start : w.stop])[None]
                    feed = {
                        "input_ids": ids,
                        "attention_mask": np.ones_like(ids),
                        "token_type_ids": np.zeros_like(ids),
                    }
                    logits = compiled({name.any_name: feed[name.any_name] for name in compiled.inputs})[
                        "logits"
                    ]
                    own = logits[0, len(tokenizer.prefix) : ids.shape[1] - len(tokenizer.suffix)]
                    words.append(read_words(own, encoding.word_ids[w.start : w.stop], "first", start=w.start))
                results.append([(s.label, s.start, s.end) for s in spans(text, encoding, words, table)])
            return results

        return run

    return make


def _spacy() -> Callable[..., Run]:
    """spaCy's own windows, parser and all; see `benchmarks.spacy_peer`."""

    def make(*, bundle: str, checkpoint: str, threads: int) -> Run:
        from benchmarks import spacy_peer

        pipeline = spacy_peer.load(checkpoint, threads)

        def run(texts: Sequence[str]) -> Found:
            return [[(e.label_, e.start_char, e.end_char) for e in doc.ents] for doc in pipeline.pipe(texts)]

        return run

    return make


def _bare() -> Callable[..., Run]:
    """No library at all: the three imports, a session and a run of made-up ids; finds nothing, answers at once."""

    def make(*, bundle: str, checkpoint: str, threads: int) -> Run:
        from pathlib import Path

        import numpy as np
        import onnxruntime
        import tokenizers  # noqa: F401 - part of what is measured

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(
            Path(bundle, "onnx", "model_int8.onnx"), settings, providers=["CPUExecutionProvider"]
        )
        names = [node.name for node in session.get_inputs()]

        def run(texts: Sequence[str]) -> Found:
            for _ in texts:
                session.run(None, {name: np.ones((1, 48), dtype=np.int64) for name in names})
            return [[] for _ in texts]

        return run

    return make


# The least that any program on onnxruntime needs to start; measured for cold starts only.
FLOOR = "bare onnxruntime int8"
VARIANTS: dict[str, Callable[..., Run]] = {
    "clinspan int8": _clinspan("int8"),
    "clinspan fp32": _clinspan("fp32"),
    "transformers fp32": _transformers("fp32", 128),
    "transformers fp32, best": _transformers("fp32", 32, batch=4),
    "transformers bf16": _transformers("bf16", 128),
    "transformers bf16, best": _transformers("bf16", 32, batch=4),
    "transformers int8": _transformers("int8", 128),
    "optimum fp32": _optimum("model.onnx", 128),
    "optimum int8": _optimum("model_int8.onnx", 128),
    "optimum int8, best": _optimum("model_int8.onnx", 32),
    "openmed int8": _openmed(),
    "openmed int8, best": _openmed(max_length=192, stride=16, batch_size=1),
    "openvino int8": _openvino("int8"),
    "openvino bf16": _openvino("bf16"),
    "spacy fp32": _spacy(),
    FLOOR: _bare(),
}
PEERS = tuple(name for name in VARIANTS if name != FLOOR)
# Each library at its best: what is asked a second time, on another number of cores.
CORE = (
    "clinspan int8",
    "transformers fp32",
    "transformers bf16",
    "optimum int8, best",
    "openmed int8, best",
    "openvino bf16",
)
# These keep what they load beside the checkpoint, made when first asked for, which must not be measured.
MADE_FIRST = ("spacy",)
