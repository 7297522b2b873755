"""Every option of loading a model, spelled once: the command line's flags and the documentation come from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from clinspan.bundle.integrity import VERIFY
from clinspan.engine.profile import read_profile
from clinspan.errors import InputError
from clinspan.options import as_path, of_kind, whole
from clinspan.text.words import WORD_RULES

# To tokenize a note of this length takes 400 MB, and to read it minutes; a longer text is hardly a note.
MAX_CHARACTERS = 20_000_000


def _option(default: Any, help: str, **flag: Any) -> Any:
    """A field; `flag` is what argparse's `add_argument` takes, and without one the option is for Python alone."""
    return field(default=default, metadata={"help": help, "flag": flag})


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load a model folder; `Recognizer.load` takes the first five by themselves too."""

    device: str = _option(
        "cpu",
        "cpu, cuda or cuda:N, tensorrt, openvino, directml, coreml, migraphx, qnn, or the name of a provider of onnxruntime; "
        "the model really runs there, or loading raises",
        metavar="DEVICE",
    )
    precision: str | None = _option(
        None,
        "int8, fp32 or fp16; by default what the device runs fastest with, where the bundle has it: int8 on CPU, fp32 by "
        "OpenVINO, fp16 elsewhere",
        metavar="P",
    )
    threads: int | None = _option(
        None, "cores to use; by default those that this process may use (affinity and cgroup)", type=int
    )
    window: int | None = _option(
        None, "tokens that one run reads, without special tokens; by default the bundle's", type=int
    )
    overlap: int | None = _option(
        None, "tokens that neighbouring windows share; by default the bundle's", type=int
    )
    words: str | None = _option(
        None,
        "where words end: at whitespace and every punctuation mark, as BERT's own words do (punctuation), or at whitespace alone, as "
        "the words that some models were trained on (whitespace); by default as the bundle says",
        choices=WORD_RULES,
    )
    whole_words: bool | None = _option(
        None,
        "edges of spans follow the words of medication text, so that no number, dotted or hyphened word is cut and no schedule "
        "is in pieces; by default as the bundle says",
        action="store_const",
        const=True,
    )
    max_characters: int = _option(
        MAX_CHARACTERS,
        f"longest note that is read, in characters, {MAX_CHARACTERS:,} by default; a longer one is an error, never cut",
        type=int,
        metavar="N",
    )
    reuse: int = _option(
        0,
        "keep the logits of this many windows, in memory only, and compute none of them twice: for notes that copy "
        "each other; windows then end at sections, and each takes 4 bytes for each token and label",
        type=int,
        metavar="WINDOWS",
    )
    profile: str | Path | None = _option(
        None,
        "file that `clinspan bench --save` wrote: threads and session options that measured best on this machine; "
        "what is given besides wins",
        metavar="FILE",
    )
    verify: str = _option(
        "full",
        "what is checked before the model is loaded: full for size and sha256 of every file, size, or off, which also "
        "leaves out whether the parts fit together (docs/evidence/reliability.md says what each costs)",
        choices=VERIFY,
    )
    public_key: str | Path | None = _option(
        None,
        "PEM file of an Ed25519 key: only a bundle that it signed is loaded (needs the extra `signing`)",
        metavar="PEM",
    )
    outside: str | None = _option(
        None,
        "label that means no entity, in an ONNX folder without clinspan.json whose names do not show it",
        metavar="LABEL",
    )
    entity: str | None = _option(
        None,
        "name of the entity in such a folder, where the labels are positions alone: B, I and O",
        metavar="NAME",
    )
    session_options: Mapping[str, Any] | None = _option(
        None,
        "onnxruntime settings, for experts: names of `SessionOptions` attributes or configuration keys such as "
        '"session.intra_op.allow_spinning"',
    )
    provider_options: Mapping[str, Any] | None = _option(
        None,
        "settings of the device's execution provider, as onnxruntime documents them; they win over those made here",
    )


LoadOptions.__doc__ = f"{LoadOptions.__doc__}\n\n    Attributes:\n" + "".join(
    f"        {option.name}: {option.metadata['help']}.\n" for option in fields(LoadOptions)
)


def with_given(options: LoadOptions | None, **given: Any) -> LoadOptions:
    """The options with those that were given by themselves, None for not given; checked, and with their profile's.

    Raises:
        InputError: one is of a kind that makes no sense, or the profile cannot be read.
    """
    of_kind("options", options, (LoadOptions,), "a LoadOptions")
    chosen = replace(
        LoadOptions() if options is None else options,
        **{name: value for name, value in given.items() if value is not None},
    )
    _check_kinds(chosen)
    if chosen.public_key is not None:
        chosen = replace(chosen, public_key=Path(chosen.public_key).absolute())
    return chosen if chosen.profile is None else _with_profile(chosen, Path(chosen.profile))


def _with_profile(options: LoadOptions, profile: Path) -> LoadOptions:
    saved = read_profile(profile)
    return replace(
        options,
        profile=None,
        threads=saved.get("threads") if options.threads is None else options.threads,
        session_options={**saved.get("session_options", {}), **(options.session_options or {})},
    )


def _check_kinds(options: LoadOptions) -> None:
    for name in ("profile", "public_key"):
        as_path(name, getattr(options, name))
    for name in ("outside", "entity"):
        of_kind(name, getattr(options, name), (str,), "a name")
    for name in ("session_options", "provider_options"):
        of_kind(name, getattr(options, name), (Mapping,), "a mapping")
    if options.threads is not None:
        whole("threads", options.threads, least=1)
    whole("reuse", options.reuse, least=0, unit="windows")
    whole("max_characters", options.max_characters, least=1)
    if options.words is not None and options.words not in WORD_RULES:
        raise InputError(f"words is {options.words!r}: expected one of {', '.join(WORD_RULES)}")
    if not isinstance(options.verify, str) or options.verify not in VERIFY:
        raise InputError(f"verify is {options.verify!r}: expected one of {', '.join(VERIFY)}")
