"""Write a bundle's model card, README.md with the Hub's front matter: all that the exporter knows, and a place for its owner.

The manifest records the card's hash as it was written. Nothing checks it on loading, because the owner is meant to
change the card; it tells a card that only clinspan wrote from one that the owner did.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from clinspan.bundle.integrity import record_file, whole_size
from clinspan.bundle.manifest import CARD, PRECISIONS, Bundle
from clinspan.bundle.tasks import CLASSES, TEXTS, TOKENS, VECTORS, shown_names, task_of

_CALLS = {
    TOKENS: 'spans = Recognizer.load("PATH").recognize(note)',
    TEXTS: 'scores = Classifier.load("PATH").classify(note)',
    VECTORS: 'vectors = Embedder.load("PATH").embed(notes)',
}
# Labels and label sets of more than this are not read, but looked up in the manifest.
_NAMED = 60
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")


def write_card(bundle: Bundle) -> Bundle:
    """Write the card, unless the folder has one that somebody else wrote or changed; returns the bundle that records it.

    Args:
        bundle: with its reports, its models as they stay.
    """
    if is_changed(bundle):
        return bundle
    (bundle.path / CARD).write_text(_render(bundle), encoding="utf-8")
    return with_card(bundle)


def with_card(bundle: Bundle) -> Bundle:
    """The bundle that records the card as it is now."""
    has = (bundle.path / CARD).is_file()
    return replace(bundle, card=record_file(bundle.path, CARD) if has else None)


def is_changed(bundle: Bundle) -> bool:
    """Whether the folder has a card that is not the recorded one, and so somebody's own."""
    return (bundle.path / CARD).is_file() and with_card(bundle).card != bundle.card


def _render(bundle: Bundle) -> str:
    from jinja2 import Environment, StrictUndefined

    task, made = task_of(bundle.head), bundle.provenance
    names = [f"**{_cell(name)}**" for name in shown_names(bundle.head)]
    more = f" and {len(names) - _NAMED} more, see `clinspan.json`" if len(names) > _NAMED else ""
    precisions = [name for name in PRECISIONS if name in bundle.models]
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["cell"] = _cell
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    template = environment.from_string(
        files("clinspan_export.verify").joinpath("card.md.j2").read_text(encoding="utf-8")
    )
    return template.render(
        bundle=bundle,
        made=made,
        task=task,
        front=_front_matter(bundle, task),
        labels=", ".join(names[:_NAMED]) + more,
        loader=CLASSES[task],
        call=_CALLS[task],
        compared=_compared(bundle),
        precisions=precisions,
        rows=list(_rows(bundle, precisions)),
        notes=list(_notes(bundle)),
        origin=list(_origin(bundle)),
    )


def _front_matter(bundle: Bundle, task: str) -> dict[str, Any]:
    """Name for the Hub what it filters by; values are written as JSON, which is YAML."""
    made = bundle.provenance
    front: dict[str, Any] = {"library_name": "clinspan", "pipeline_tag": task}
    front.update(made.get("card", {}))
    if made.get("revision"):  # of a Hub id; the name of a folder means nothing to the Hub
        front.update(base_model=made["base"], base_model_relation="quantized")
    return {**front, "tags": ["onnx", "clinspan", "clinical", *bundle.models]}


def _compared(bundle: Bundle) -> str:
    parity = bundle.parity
    count = f"{parity['texts']} texts" if "texts" in parity else f"{parity['notes']} notes"
    limits = [
        f"{name.replace('_', '-')} {value:g}" for name, value in parity["limits"].items() if value is not None
    ]
    kept = f"Limits that were set and kept: {', '.join(limits)}." if limits else "No limit was set."
    return f"Compared with PyTorch on {count} ({_cell(parity['source'])}). {kept}"


# A measure of the comparison -> how it is called and written.
_MEASURES = {
    "span_agreement_f1": ("spans that agree with PyTorch (F1)", "{:.4f}"),
    "agreement": ("labels that agree with PyTorch (share)", "{:.4f}"),
    "cosine_mean": ("cosine to PyTorch's vectors, mean", "{:.4f}"),
    "cosine_min": ("cosine to PyTorch's vectors, least", "{:.4f}"),
    "max_score_change": ("largest change of a score", "{:.4f}"),
    "max_logit_difference": ("largest difference of a logit", "{:.2g}"),
}


def _rows(bundle: Bundle, precisions: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Measures of each precision."""
    yield "size, MB", [f"{whole_size(bundle.models[name]) / 1e6:.1f}" for name in precisions]
    times = bundle.provenance.get("window_ms", {})
    if times:
        yield (
            "CPU time of a window, ms",
            [f"{times[name]:.1f}" if name in times else "" for name in precisions],
        )
    for field, (title, form) in _MEASURES.items():
        if all(field in bundle.parity[name] for name in precisions):
            yield title, [form.format(bundle.parity[name][field]) for name in precisions]
    for field, title in (("f1", "F1, exact spans"), ("precision", "precision"), ("recall", "recall")):
        if all(name in bundle.evaluation for name in precisions):
            yield title, [f"{bundle.evaluation[name][field]:.4f}" for name in precisions]


def _notes(bundle: Bundle) -> Iterator[str]:
    """Sentences below the table."""
    evaluation, tuning = bundle.evaluation, bundle.tuning
    if "torch" in evaluation:
        yield (
            f"Precision, recall and F1 are against the annotations of {evaluation['notes']} notes; PyTorch has F1 "
            f"{evaluation['torch']['f1']:.4f} there."
        )
    if "development" in evaluation:
        score = evaluation["development"]["exact"]
        yield f"F1 on the documents that selected the epoch, which flatters: {score['f1']:.4f}, exact spans."
    if bundle.provenance.get("window_ms"):
        yield "The time is that of one thread on the machine that exported: compare the columns, do not expect it elsewhere."
    windows = f"A run reads {bundle.window} tokens, {bundle.overlap} of them shared with the next; the model reads at most {bundle.max_window}."
    if tuning:
        stays = "the default stayed" if tuning.get("default_stays") else "it was chosen"
        windows += f" Windows were compared on {tuning['notes']} annotated notes of {_cell(tuning['source'])}: {stays}."
    yield windows
    pruned = bundle.provenance.get("pruned")
    if pruned:
        yield (
            f"{pruned['share_taken']:.0%} of the time that heads and neurons take was pruned away; {pruned['speedup_of']} runs "
            f"{pruned['speedup']:.2f} times as fast as unpruned."
        )


def _origin(bundle: Bundle) -> Iterator[tuple[str, str]]:
    made = bundle.provenance
    versions: Mapping[str, str] = made.get("versions", {})
    rows = {
        "checkpoint": made.get("base"),
        "revision": made.get("revision"),
        "sha256 of its weights": made.get("weights_sha256"),
        "architecture": f"{made.get('architecture', '')}, {made.get('parameters', 0):,} parameters",
        "left unused, as it was told": ", ".join(made.get("unused", ())),
        "int8": _int8(bundle) if "int8" in bundle.models else "",
        "exported": str(made.get("exported_at", ""))[:10],
        "with": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    for name, value in rows.items():
        if value:
            yield name, _cell(value)


def _int8(bundle: Bundle) -> str:
    how = str(bundle.provenance.get("quantization", "")).removeprefix("int8: ")
    return f"{how}, weights of 7 bits (reduced range)" if bundle.reduced_range else how


def source_card(source: str) -> dict[str, Any]:
    """The licence and language that a checkpoint's own card states, where it lies in a folder; they go along."""
    path = Path(source, CARD)
    if not path.is_file():
        return {}
    from huggingface_hub import metadata_load

    try:
        stated = metadata_load(path) or {}
    except Exception:  # noqa: BLE001 - a card is prose by somebody else; no export fails for it
        return {}
    return {name: stated[name] for name in ("license", "language") if _is_plain(stated.get(name))}


def _is_plain(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value))


def _cell(value: object) -> str:
    """Text that Markdown shows as it is, in a cell as well."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))
