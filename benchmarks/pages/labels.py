"""The words that pages show in place of the identifiers in results."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LABELS = {
    # vectors
    "sentence_transformers_torch": "sentence-transformers, torch fp32",
    "sentence_transformers_onnx": "sentence-transformers, its ONNX backend, fp32",
    "transformers_torch": "transformers, torch fp32, pooled by hand",
    "clinspan_folder_fp32": "clinspan fp32, the folder of sentence-transformers as it is",
    "light_embed": "light-embed",
    # memory
    "mb_after_one_note": "MB after one note",
    "mb_after_all_notes": "MB after all notes",
    "mb_after_many_short_notes": "MB after many short notes",
    "long_note_peak_mb_more": "peak MB more for the long note",
    "peak_mb": "peak MB",
    # parts of a window's time
    "around_session_run": "around session.run: feed, checks",
    # reuse
    "reuse_512": "reuse=512",
    "same_windows_forgotten": "same windows, forgotten",
    # choices and their settings
    "batch": "batch, on one core",
    "one_window": "one window per run",
    "as_exported": "clinspan's, all optimizations but SkipLayerNormalization",
    "skip_layer_norm_fused": "SkipLayerNormalization fused too",
    "extended": "extended optimizations",
    "basic": "basic optimizations",
    "unoptimized": "no optimizations at load",
    "plain": "plain dynamic int8",
    "attention_fused": "attention fused (onnxruntime.transformers), then int8",
    "optimized_before": "all optimizations done before, none at load",
    "spinning": "spinning threads",
    "workers": "workers x threads of each",
    "two_of_one_thread": "2 x 1",
    "one_of_one_thread": "1 x 1",
    "one_of_two_threads": "1 x 2",
    "two_of_two_threads": "2 x 2",
    "one_of_two_spinning": "1 x 2, spinning",
    "equal_cuts": "equal cuts, between words",
    # architectures
    "distilbert": "DistilBERT base",
    "bert": "BERT base, the shape of Bio_ClinicalBERT",
    "roberta": "RoBERTa base, the shape of BioMed-RoBERTa",
    "megatron_bert": "MegatronBert, the shape of GatorTron base",
    "modernbert": "ModernBERT base",
    "deberta_v3": "DeBERTa-v3 base",
    "electra": "ELECTRA base",
    "camembert": "CamemBERT base",
    "xlm_roberta": "XLM-R base",
}


def label(name: str) -> str:
    """Say an identifier for people: `tokens_64` is `64 tokens`, `optimum_int8_best` is `optimum int8, best`.

    >>> label("window_512_stride_128")
    '512/128'
    """
    if name in _LABELS:
        return _LABELS[name]
    if found := re.fullmatch(r"window_(\d+)_stride_(\d+)", name):
        return f"{found[1]}/{found[2]}"
    if found := re.fullmatch(r"(.*)_(\d+)", name) if name.startswith(("tokens", "padded")) else None:
        return f"{found[2]} {label(found[1])}"
    return name.replace("_best", ", best").replace("_", " ")


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Write a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
