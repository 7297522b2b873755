"""Vectors of texts by clinspan and by what people would use instead, each behind one call: texts in, rows out.

All read one model: a folder of sentence-transformers with `model.safetensors` (the checkpoint), the same with
`onnx/model.onnx` as sentence-transformers writes it (the folder), and a bundle. Nothing is loaded from the Hub.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ctypes import byref, c_void_p
from functools import partial
from importlib import import_module
from typing import Any

Answer = dict[str, Any]
Embed = Callable[[Sequence[str]], Any]


def _clinspan(settings: Answer, *, precision: str, place: str = "bundle") -> Embed:
    from clinspan import Embedder

    embedder = Embedder.load(settings[place], precision=precision, threads=settings["threads"])
    return embedder.embed


def _sentence_transformers(settings: Answer, *, backend: str) -> Embed:
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(settings["threads"])
    place = "checkpoint" if backend == "torch" else "folder"
    options: dict[str, Any] = {}
    if backend == "onnx":
        options = {"model_kwargs": {"provider": "CPUExecutionProvider", "file_name": "onnx/model.onnx"}}
    model = SentenceTransformer(settings[place], device="cpu", backend=backend, **options)
    run: Embed = partial(model.encode, show_progress_bar=False)
    return run


def _transformers(settings: Answer, *, batch: int = 32) -> Embed:
    """Pool by hand, as the model cards of such models show it; texts of like length in a batch."""
    import torch
    import transformers

    torch.set_num_threads(settings["threads"])
    tokenizer = transformers.AutoTokenizer.from_pretrained(settings["checkpoint"])
    model = transformers.AutoModel.from_pretrained(settings["checkpoint"]).eval()

    def run(texts: Sequence[str]) -> Any:
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        rows: list[Any] = [None] * len(texts)
        for begin in range(0, len(order), batch):
            chosen = order[begin : begin + batch]
            given = tokenizer(
                [texts[number] for number in chosen],
                padding=True,
                truncation=True,
                max_length=256,
                return_tensors="pt",
            )
            mask = given["attention_mask"][..., None].float()
            with torch.inference_mode():
                pooled = (model(**given).last_hidden_state * mask).sum(1) / mask.sum(1)
                unit = torch.nn.functional.normalize(pooled).numpy()
            for number, row in zip(chosen, unit, strict=True):
                rows[number] = row
        return rows

    return run


def _fastembed(settings: Answer) -> Embed:
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    name = "local/model"
    TextEmbedding.add_custom_model(
        model=name,
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf=name),
        dim=384,
        model_file="onnx/model.onnx",
    )
    model = TextEmbedding(
        name,
        specific_model_path=settings["folder"],
        threads=settings["threads"],
        providers=["CPUExecutionProvider"],
    )
    return lambda texts: list(model.embed(texts))


def _light_embed(settings: Answer) -> Embed:
    from light_embed import TextEmbedding

    config = {"onnx_file": "onnx/model.onnx", "pooling_mode": "mean", "normalize": True}
    run: Embed = TextEmbedding(settings["folder"], model_config=config).encode
    return run


def _kjarni(settings: Answer) -> Embed:
    """Its Python class takes names of its own list; its C interface takes a folder too."""
    from kjarni.embedder import Embedder

    library: Any = import_module("kjarni._ffi")
    functions = getattr(library, "_lib")  # noqa: B009
    config = functions.kjarni_embedder_config_default()
    config.model_path = settings["checkpoint"].encode()
    config.normalize = config.quiet = 1
    embedder = Embedder.__new__(Embedder)
    handle = c_void_p()
    library.check_error(functions.kjarni_embedder_new(byref(config), byref(handle)))
    setattr(embedder, "_handle", handle)  # noqa: B010
    run: Embed = embedder.encode_batch
    return run


REFERENCE = "sentence_transformers_torch"
VARIANTS: dict[str, Callable[[Answer], Embed]] = {
    REFERENCE: partial(_sentence_transformers, backend="torch"),
    "clinspan_fp32": partial(_clinspan, precision="fp32"),
    "clinspan_folder_fp32": partial(_clinspan, precision="fp32", place="folder"),
    "clinspan_int8": partial(_clinspan, precision="int8"),
    "sentence_transformers_onnx": partial(_sentence_transformers, backend="onnx"),
    "transformers_torch": _transformers,
    "fastembed": _fastembed,
    "light_embed": _light_embed,
    "kjarni": _kjarni,
}
