"""Scores of texts and pairs by clinspan and by transformers, each behind one call: texts in, rows of scores out.

Every row has the scores in the order of the names, so that rows can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

Answer = dict[str, Any]
Score = Callable[[Sequence[Any]], Any]


def _clinspan(settings: Answer, *, precision: str) -> Score:
    from clinspan import Classifier

    classifier = Classifier.load(settings["bundle"], precision=precision, threads=settings["threads"])

    def run(texts: Sequence[Any]) -> Any:
        # A lone text as somebody asks about it, who may have all cores.
        found = [classifier.classify(texts[0])] if len(texts) == 1 else classifier.pipe(texts)
        return [[one.score for one in sorted(scores, key=lambda one: one.label)] for scores in found]

    return run


def _transformers(settings: Answer, *, batch: int) -> Score:
    import torch
    import transformers

    torch.set_num_threads(settings["threads"])
    return _pipeline(transformers, settings["checkpoint"], settings["checkpoint"], batch=batch)


def _optimum(settings: Answer, *, file: str) -> Score:
    import transformers
    from optimum.onnxruntime import ORTModelForSequenceClassification

    model = ORTModelForSequenceClassification.from_pretrained(
        settings["bundle"], subfolder="onnx", file_name=file, config=_config(transformers, settings)
    )
    return _pipeline(transformers, model, settings["checkpoint"], batch=1)


def _config(transformers: Any, settings: Answer) -> Any:
    return transformers.AutoConfig.from_pretrained(settings["checkpoint"])


def _pipeline(transformers: Any, model: Any, tokenizer: str, *, batch: int) -> Score:
    ask = transformers.pipeline(
        "text-classification", model, tokenizer=tokenizer, top_k=None, batch_size=batch, truncation=True
    )

    def run(texts: Sequence[Any]) -> Any:
        given = [text if isinstance(text, str) else {"text": text[0], "text_pair": text[1]} for text in texts]
        return [
            [one["score"] for one in sorted(scores, key=lambda one: one["label"])] for scores in ask(given)
        ]

    return run


REFERENCE = "transformers_fp32"
VARIANTS: dict[str, Callable[[Answer], Score]] = {
    REFERENCE: partial(_transformers, batch=1),
    "transformers_fp32_best": partial(_transformers, batch=8),
    "clinspan_fp32": partial(_clinspan, precision="fp32"),
    "clinspan_int8": partial(_clinspan, precision="int8"),
    "optimum_fp32": partial(_optimum, file="model.onnx"),
    "optimum_int8": partial(_optimum, file="model_int8.onnx"),
}
