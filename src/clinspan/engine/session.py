"""The model itself: the only file that imports onnxruntime.

Providers, threads and precision are decided here and reported as they really are. Over 300 lines, because no
other file may import onnxruntime.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from clinspan.engine import forks
from clinspan.engine.providers import (
    CPU_PROVIDER,
    SLOWER_WHEN_FUSED,
    Device,
    kinds_of,
    provider_of,
    session_options,
)
from clinspan.errors import (
    BundleError,
    ClosedError,
    DeviceError,
    InferenceError,
    InputError,
    MissingDependencyError,
    installing,
    raised_by,
)

_log = logging.getLogger(__name__)

Logits = npt.NDArray[np.float32]
_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
# A model that gives its input back: IR version 8, operator set 17, one node of the kind Identity.
_IDENTITY_MODEL = bytes.fromhex(
    "08083a370a100a017812017922084964656e746974791201675a0f0a0178120a0a08080112040a02080162"
    "0f0a0179120a0a08080112040a02080142040a001011"
)
# The sum of 32 products of 255 and 127, unsigned and signed 8-bit numbers: IR version 8, operator set 17, one MatMulInteger.
_PRODUCTS_MODEL = bytes.fromhex(
    "080812003a740a180a01610a0162120179220d4d61744d756c496e74656765721201672a2b0820080110034201624a20"
    + "7f" * 32
    + "5a130a0161120e0a0c080212080a0208010a02082062130a0179120e0a0c080612080a0208010a02080142040a001011"
)
# The session setting under which onnxruntime keeps, from 1.24 on, which provider each node was given to.
_RECORD_NODES = "session.record_ep_graph_assignment_info"
_LOGITS = ("tensor(float)", "tensor(float16)", "tensor(double)")


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """Which output of a model is read: its name, and whether it has a row for each token or one for the whole text."""

    output: str = "logits"
    per_token: bool = True


TOKEN_LOGITS = ModelOutput()


class ModelSource(Protocol):
    """Where a model comes from, each time that it is loaded."""

    def opened(self) -> AbstractContextManager[str]:
        """Check the files, and give the name to load them by."""

    def watched(self) -> Callable[[], None] | None:
        """Hold on to what stays mapped; what it gives is called before each run, and stops that by raising."""


class Session:
    """A loaded model. `run` may be called from many threads at once."""

    def __init__(
        self,
        path: Path,
        *,
        device: Device,
        classes: int,
        answer: ModelOutput = TOKEN_LOGITS,
        instead: Sequence[ModelOutput] = (),
        source: ModelSource | None = None,
        threads: int = 1,
        options: Mapping[str, Any] | None = None,
        provider_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Load a model.

        Args:
            path: the .onnx file.
            device: where to run; anything but that raises.
            classes: labels that the logits must have, or numbers of a vector.
            answer: which output is read.
            instead: outputs of which one is read where the model lacks that one, best first.
            source: checks the file each time that it is loaded; None to load `path` unchecked, and only as long as
                it is not replaced.
            threads: threads that share the work of one run (onnxruntime's intra-op threads).
            options: onnxruntime settings: names of `SessionOptions` attributes, or configuration keys
                such as "session.intra_op.allow_spinning"; they win over the settings made here.
            provider_options: the execution provider's own settings; they too win over those made here.

        Raises:
            MissingDependencyError: onnxruntime is not installed.
            DeviceError: the device does not really run here.
            BundleError: onnxruntime cannot load the file, or it does not give such an answer.
        """
        ort = _onnxruntime()
        provider = provider_of(ort, device, threads, provider_options)
        source = source or _Unchanged(path)
        self._start = partial(_start, ort, path, source, device, provider, threads, options)
        self._session: Any = self._start()
        self._unchanged = source.watched()
        self._closed = False
        self.provider: str = self._session.get_providers()[0]
        self.version: str = ort.__version__
        self.share = _share(self._session, device)
        if self.share == 0:
            raise DeviceError(
                f"none of the model's nodes would run on {device.kind}: all are left to the CPU"
            )
        settings = self._session.get_session_options()
        self.threads: int = settings.intra_op_num_threads
        parallel = settings.execution_mode == ort.ExecutionMode.ORT_PARALLEL
        self._has_threads = self.threads != 1 or parallel
        self._ort = ort
        self._device = device
        self._classes = classes
        try:
            self.answer = self._answer_of((answer, *instead))
            self._inputs = self._check_inputs(path)
            self._output = self._check_output(path)
        except UnicodeDecodeError as error:
            raise BundleError(f"{path.name} has an input or output whose names are not UTF-8") from error
        forks.watch(self)

    def run(
        self,
        ids: npt.NDArray[np.int64],
        mask: npt.NDArray[np.int64],
        types: npt.NDArray[np.int64] | None = None,
    ) -> Logits:
        """Run the model once.

        Args:
            ids: int64 (b, t), special tokens included.
            mask: int64 (b, t), 1 for tokens, 0 for padding.
            types: int64 (b, t), type ids of two texts; None for zeros.

        Returns:
            float32 (b, t, c); float32 (b, c) of a model that answers for whole texts.

        Raises:
            InferenceError: onnxruntime failed, or the logits are not finite numbers of the right shape.
            ClosedError: the session was closed.
            DeviceError: this process was forked after the model was loaded on a GPU.
            BundleError: the weights were written into or cut short since they were loaded.
        """
        if self._unchanged is not None:
            self._unchanged()
        kinds = np.zeros_like(ids) if types is None else types
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": kinds}
        session = self._session or self._started_again()
        inputs = {name: feed[name] for name in self._inputs}
        failure = ""
        try:
            logits = forks.between_forks(lambda: self._run(session, inputs))
        except Exception as error:
            if not raised_by(error, "onnxruntime"):
                raise
            failure = type(error).__name__
        # Out here, so that no error carries onnxruntime's own, which may say which tokens the note holds.
        if failure:
            raise InferenceError(
                f"the model failed on a batch of {ids.shape[0]} x {ids.shape[1]} tokens ({failure})"
            )
        logits = np.asarray(logits, dtype=np.float32)
        expected = (*(ids.shape if self.answer.per_token else ids.shape[:1]), self._classes)
        if logits.shape != expected:
            raise InferenceError(f"the model gave logits of shape {logits.shape}, expected {expected}")
        if not np.isfinite(logits).all():
            raise InferenceError("the model gave logits that are not finite numbers")
        return logits

    def close(self) -> None:
        """End the session and give its memory back, once the runs under way are done."""
        self._closed = True
        self._session = self._unchanged = None
        _return_memory()

    def after_fork(self) -> None:
        """Let go, in a child process, of a session whose threads or GPU only the parent has."""
        if self._session is not None and (self._has_threads or self.provider != CPU_PROVIDER):
            forks.never_end(self._session)
            self._session = None

    def _started_again(self) -> Any:
        """The session of a forked process, which starts its own; two threads may both start one, and one stays."""
        if self._closed:
            raise ClosedError
        if self.provider != CPU_PROVIDER:
            raise DeviceError(
                "a model on a GPU cannot be used in a process forked after it was loaded: load it in the "
                "child, or start processes with the method 'spawn'"
            )
        session = self._session = self._start()
        if self._closed:  # meanwhile: this run is the last
            self._session = None
        return session

    def _run(self, session: Any, feed: Mapping[str, npt.NDArray[np.int64]]) -> Any:
        if self._device.memory is None:
            (logits,) = session.run([self._output], feed)
            return logits
        return _run_bound(self._ort, session, feed, self._output, self._device.memory)

    def _check_inputs(self, path: Path) -> tuple[str, ...]:
        inputs = self._session.get_inputs()
        names = tuple(node.name for node in inputs)
        unknown = sorted(set(names) - _INPUTS)
        if unknown or "input_ids" not in names:
            raise BundleError(
                f"{path.name} takes the inputs {', '.join(names)}: expected input_ids and perhaps "
                "attention_mask and token_type_ids"
            )
        for node in inputs:
            if node.type != "tensor(int64)" or len(node.shape) != 2 or isinstance(node.shape[1], int):
                raise BundleError(
                    f"{path.name} takes {node.name} as {node.type} of shape {node.shape}: expected "
                    "tensor(int64) of 2 dimensions, the second of any length"
                )
        return names

    def _answer_of(self, answers: Sequence[ModelOutput]) -> ModelOutput:
        names = {node.name for node in self._session.get_outputs()}
        for answer in answers:
            if answer.output in names:
                return answer
        return answers[0]

    def _check_output(self, path: Path) -> str:
        name, per_token = self.answer.output, self.answer.per_token
        outputs = {node.name: node for node in self._session.get_outputs()}
        if name not in outputs:
            raise BundleError(f"{path.name} has no output called {name}")
        if outputs[name].type not in _LOGITS:
            raise BundleError(
                f"{path.name} gives {name} as {outputs[name].type}: expected {', '.join(_LOGITS)}"
            )
        shape = outputs[name].shape or []
        classes = shape[-1] if shape else None
        if isinstance(classes, int) and classes != self._classes:
            of = "a token, and there are {} labels" if per_token else "for a text, expected {}"
            raise BundleError(f"{path.name} gives {classes} {name} {of.format(self._classes)}")
        return name


class _Unchanged:
    """A file by its own name, as long as it is the file that was there first."""

    def __init__(self, path: Path) -> None:
        self._path, self._first = path, _identity(path)

    @contextmanager
    def opened(self) -> Iterator[str]:
        if _identity(self._path) != self._first:
            raise BundleError(f"{self._path} is not the file that was loaded first: it was replaced")
        yield str(self._path)

    def watched(self) -> None:
        """Watch nothing."""


def _identity(path: Path) -> tuple[int, ...]:
    """Return values that change when a file is written or replaced; empty where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _start(
    ort: Any,
    path: Path,
    source: ModelSource,
    device: Device,
    provider: tuple[str, dict[str, Any]],
    threads: int,
    options: Mapping[str, Any] | None,
) -> Any:
    """An `onnxruntime.InferenceSession` on the device asked for."""
    settings = session_options(ort, threads, options)
    if not device.is_cpu:
        settings.add_session_config_entry(_RECORD_NODES, "1")

    def make(name: str) -> Any:
        return ort.InferenceSession(
            name,
            settings,
            providers=[provider],
            disabled_optimizers=SLOWER_WHEN_FUSED.get(device.kind),
            # It would try the CPU, on load and on a run that fails, and say so on standard output.
            enable_fallback=0,
        )

    with source.opened() as name:
        try:
            session = forks.between_forks(partial(make, name))
            session.disable_fallback()  # for runs, also where the version does not know the option
        except Exception as error:
            if not raised_by(error, "onnxruntime"):
                raise
            _blame_options(ort, options or {})
            if not device.is_cpu:
                raise DeviceError(f"onnxruntime could not start the model on {device.kind}") from error
            raise BundleError(
                f"onnxruntime {ort.__version__} cannot load {path.name}: {_reason(error)}"
            ) from error
    _return_memory()
    # onnxruntime drops a provider that fails to start and goes on without it
    # (https://github.com/microsoft/onnxruntime/issues/17801).
    started = session.get_providers()[0]
    if started != provider[0]:
        raise DeviceError(f"asked for {provider[0]}, and onnxruntime started {started} instead")
    return session


def _share(session: Any, device: Device) -> float | None:
    """The share of the model's nodes that the device was given, 0 to 1; None where onnxruntime (before 1.24) cannot say."""
    if device.is_cpu:
        return 1.0
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    counts: dict[str, int] = {}
    for part in session.get_provider_graph_assignment_info():
        counts[part.ep_name] = counts.get(part.ep_name, 0) + len(part.get_nodes())
    return counts.get(device.provider, 0) / max(1, sum(counts.values()))


def _blame_options(ort: Any, options: Mapping[str, Any]) -> None:
    """Raise InputError where an option stops a model that does nothing, and so would stop any."""
    for name, value in options.items():
        try:
            settings = session_options(ort, 1, {name: value})
            ort.InferenceSession(_IDENTITY_MODEL, settings, providers=[CPU_PROVIDER])
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"session_options: onnxruntime refuses this value of {name}") from error


def _run_bound(
    ort: Any, session: Any, feed: Mapping[str, npt.NDArray[np.int64]], output: str, place: tuple[str, int]
) -> Any:
    """One copy of each input to the device and one of the logits back; nothing else crosses over."""
    binding = session.io_binding()
    for name, values in feed.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(values, *place))
    binding.bind_output(output, *place)
    session.run_with_iobinding(binding)
    (logits,) = binding.copy_outputs_to_cpu()
    return logits


def _reason(error: Exception) -> str:
    """The first line of what onnxruntime says, which may be long and quote names from the file."""
    text = "".join(char for char in str(error).partition("\n")[0] if char.isprintable())
    return text if len(text) <= 300 else f"{text[:297]}..."


def _return_memory() -> None:
    """Give back what reading the model took: glibc keeps it otherwise, 80 MB for a BERT-base."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        _log.debug("this C library has no malloc_trim")


def available_kinds() -> list[str]:
    """The kinds of devices that the installed onnxruntime was built for; see `clinspan.engine.providers.kinds_of`."""
    return kinds_of(_onnxruntime())


def loses_products() -> bool:
    """Whether onnxruntime's kernels for this processor overflow where products of 8-bit numbers are added up.

    On x86-64 without VNNI two products go into 16 bits, and 2 x 255 x 127 does not fit. Asking the kernel takes half a
    millisecond, and holds on every system, where flags would have to be read differently on each.
    """
    ort = _onnxruntime()
    settings = session_options(ort, 1, {})
    session = ort.InferenceSession(_PRODUCTS_MODEL, settings, providers=[CPU_PROVIDER])
    (total,) = session.run(None, {"a": np.full((1, 32), 255, dtype=np.uint8)})
    return int(total[0, 0]) != 32 * 255 * 127


def _onnxruntime() -> Any:
    # From 1.29 on, onnxruntime sends usage events to Microsoft, keeps them and a device identifier in the
    # home folder, and has a thread for it, for which a forked process waits without end as it ends. Only this
    # variable, set before the first import, turns all of that off
    # (https://github.com/microsoft/onnxruntime/blob/main/docs/Privacy.md).
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            f"onnxruntime is not installed: {installing('cpu')}, or the extra gpu for NVIDIA GPUs"
        ) from error
    if hasattr(onnxruntime, "disable_telemetry_events"):
        onnxruntime.disable_telemetry_events()  # where the application had imported it before
    return onnxruntime
