"""Load a classifier of texts, an encoder, or a folder of sentence-transformers, and say what its numbers mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from clinspan.bundle.hub_folder import max_content_tokens
from clinspan.bundle.manifest import MAX_WINDOW
from clinspan.bundle.tasks import TEXTS, TOKENS, VECTORS, problem_of
from clinspan.text.merge import Scoring, Vectors
from clinspan_export.checkpoint import Checkpoint, Trust, explained, inspect, load_config, load_tokenizer
from clinspan_export.errors import ExportError
from clinspan_export.inspection.config_keys import split_allowed
from clinspan_export.inspection.weights import check_tensors
from clinspan_export.quiet import quiet
from clinspan_export.texts.sentence_folder import MODULES, SentenceFolder, read_sentence_folder

POOLING_NAMES = ("mean", "cls", "max", "last-four")


@dataclass(frozen=True, slots=True)
class TextOverrides:
    """How a model for whole texts is to be read, where the caller knows better than detection.

    Attributes:
        task: `text-classification` or `feature-extraction`; None to detect it.
        window, overlap: in tokens; None for as many as the model reads.
        pairs: the classifier reads two texts.
        merge, scale: how the windows of a long text are merged, as in `clinspan.text.merge.Scoring`; None for what
            the checkpoint was trained with, or the mean of probabilities.
        pooling: of an encoder without settings of its own: `mean`, `cls`, `max` or `last-four`.
        normalize: bring vectors to length 1, where the checkpoint does not say.
        reduced_range: int8 weights keep to 7 bits, for processors without VNNI.
    """

    task: str | None = None
    window: int | None = None
    overlap: int = 0
    pairs: bool | None = None
    merge: str | None = None
    scale: str | None = None
    pooling: str | None = None
    normalize: bool | None = None
    reduced_range: bool = False


@dataclass(frozen=True, slots=True)
class TextCheckpoint:
    """A model for whole texts in PyTorch, in fp32 and evaluation mode.

    Attributes:
        loaded: the transformers model and its tokenizer.
        module: what goes into the graph: ids, mask and perhaps type ids to logits or vectors.
        head: what its numbers mean.
        window: tokens that it was made to read at once, special tokens not counted.
        typed: it takes type ids.
    """

    loaded: Checkpoint
    module: Any
    head: Scoring | Vectors
    window: int
    typed: bool


def detect_task(source: str, trust: Trust) -> str:
    """Tell what a checkpoint is for by its files and its architecture.

    Raises:
        ExportError: it cannot be read.
    """
    if (Path(source) / MODULES).is_file():
        return VECTORS
    files = inspect(source, trust)
    if files.is_adapter_alone:
        return TOKENS
    names = files.config.get("architectures") or []
    if any(name.endswith("ForSequenceClassification") for name in names):
        return TEXTS
    # Encoders as they were pre-trained; their language model head is left out.
    if any(name.endswith(("Model", "ForMaskedLM", "ForPreTraining")) for name in names):
        return VECTORS
    return TOKENS  # whose export refuses what it is not


def load_text_checkpoint(source: str, trust: Trust, overrides: TextOverrides) -> TextCheckpoint:
    """Load a checkpoint for export as a model for whole texts.

    Raises:
        ExportError: it is missing, damaged, of another task, or needs a permission that `trust` withholds.
    """
    task = overrides.task or detect_task(source, trust)
    if task not in (TEXTS, VECTORS):
        raise ExportError(f"{source} is for {task}: expected {TEXTS} or {VECTORS}")
    with quiet():
        return _classifier(source, trust, overrides) if task == TEXTS else _encoder(source, trust, overrides)


def _classifier(source: str, trust: Trust, overrides: TextOverrides) -> TextCheckpoint:
    from transformers import AutoModelForSequenceClassification

    from clinspan_export.graphs.trace import Logits

    config, unused = load_config(source, trust)
    model, more = _model(AutoModelForSequenceClassification, source, trust, whole=True)
    names = tuple(str(config.id2label[index]) for index in range(config.num_labels))
    problem = problem_of({"problem_type": getattr(config, "problem_type", None)}, len(names))
    # What `clinspan-export finetune` noted there.
    noted: dict[str, Any] = getattr(config, "clinspan", None) or {}
    told = {name: value for name, value in asdict(overrides).items() if value is not None}
    settings = {"merge": "mean", "scale": "probabilities", "pairs": False, **noted, **told}
    head = Scoring(
        names,
        problem,
        settings["merge"],
        settings["scale"],
        MappingProxyType(dict(noted.get("thresholds", {}))),
        pairs=settings["pairs"],
    )
    loaded = _checkpoint(source, trust, model, names, [*unused, *more])
    window = min(_window(loaded, None), noted.get("window", MAX_WINDOW))
    return TextCheckpoint(loaded, Logits(model).eval(), head, window, _typed(loaded))


def _encoder(source: str, trust: Trust, overrides: TextOverrides) -> TextCheckpoint:
    from transformers import AutoModel

    from clinspan_export.texts.pooling import POOLINGS, Pooled, Unit

    found = read_sentence_folder(Path(source)) if (Path(source) / MODULES).is_file() else None
    pooling = _pooling(source, found, overrides)
    normalize = bool(overrides.normalize) if found is None else found.normalize
    if found is not None and overrides.normalize not in (None, normalize):
        raise ExportError(f"{source} says itself whether its vectors have length 1: leave --normalize out")
    assert set(pooling) <= set(POOLINGS)
    place = source if found is None else str(found.encoder)
    _, unused = load_config(place, trust)
    model, more = _model(AutoModel, place, trust, whole=False)
    loaded = _checkpoint(place, trust, model, (), [*unused, *more])
    if found is not None:
        _check_case(source, found, loaded)
    after = _dense([] if found is None else found.dense) + ([Unit()] if normalize else [])
    module = Pooled(model, pooling, after).eval()
    width = model.config.hidden_size * len(pooling)
    dimension = found.dense[-1].outputs if found is not None and found.dense else width
    head = Vectors(dimension, normalize, "+".join(pooling))
    window = _window(loaded, None if found is None else found.max_tokens)
    return TextCheckpoint(loaded, module, head, window, _typed(loaded))


def _pooling(source: str, found: SentenceFolder | None, overrides: TextOverrides) -> Sequence[str]:
    if found is None:
        return [overrides.pooling or "mean"]
    if overrides.pooling not in (None, "+".join(found.pooling)):
        raise ExportError(f"{source} says itself that it pools by {found.pooling}: leave --pooling out")
    return found.pooling


def _dense(layers: Sequence[Any]) -> list[Any]:
    import torch
    from safetensors.torch import load_file

    made: list[Any] = []
    for layer in layers:
        linear = torch.nn.Linear(layer.inputs, layer.outputs, bias=layer.bias)
        path = layer.folder / "model.safetensors"
        if not path.is_file():
            raise ExportError(f"{layer.folder} has no model.safetensors: pickled dense layers are not read")
        weights = load_file(path)
        linear.load_state_dict({name.removeprefix("linear."): value for name, value in weights.items()})
        made += [linear, getattr(torch.nn, layer.activation)()]
    return made


# The head that an encoder was pre-trained with, which its vectors do not need.
_PRETRAINING = (
    "cls.*",
    "lm_head.*",
    "predictions.*",
    "*_predictions.*",
    "generator_*",
    "vocab_*",
    "decoder.*",
    "head.*",
)


def _model(auto: Any, source: str, trust: Trust, *, whole: bool) -> tuple[Any, list[str]]:
    """The weights, and tensors that stay unused as `trust` allows; where `whole`, none may be missing."""
    import torch

    with explained(source):
        model, info = auto.from_pretrained(
            source,
            dtype=torch.float32,
            use_safetensors=None if trust.allow_pickle else True,
            output_loading_info=True,
            **_options(trust),
        )
    if not whole:
        # An encoder's pooler is not used here, and many checkpoints lack it.
        missing = {name for name in info["missing_keys"] if "pooler" not in name}
        unused, _ = split_allowed(sorted(info["unexpected_keys"]), _PRETRAINING)
        info = {"missing_keys": missing, "unexpected_keys": unused}
    return model.eval(), check_tensors(source, info, trust.allow_unused, task="this task")


def _options(trust: Trust) -> dict[str, Any]:
    return {"revision": trust.revision, "trust_remote_code": trust.trust_remote_code}


def _checkpoint(
    source: str, trust: Trust, model: Any, names: Sequence[str], unused: Sequence[str]
) -> Checkpoint:
    revision = inspect(source, trust).commit
    return Checkpoint(
        source, revision, model, load_tokenizer(source, _options(trust)), names, unused=tuple(unused)
    )


def _check_case(source: str, found: SentenceFolder, loaded: Checkpoint) -> None:
    if found.lower and not getattr(loaded.tokenizer, "do_lower_case", False):
        raise ExportError(
            f"{source} lower-cases text before its tokenizer, which does not: this cannot be exported"
        )


def _window(loaded: Checkpoint, most: int | None) -> int:
    """Tokens of a text that are read at once: those of the model, or fewer where its tokenizer or folder says so."""
    special = loaded.tokenizer.num_special_tokens_to_add(pair=False)
    limits = [max_content_tokens(loaded.model.config.to_dict()), loaded.tokenizer.model_max_length - special]
    return int(min(limits if most is None else [*limits, most - special]))


def _typed(loaded: Checkpoint) -> bool:
    return "token_type_ids" in loaded.tokenizer.model_input_names and bool(
        getattr(loaded.model.config, "type_vocab_size", 0)
    )
