"""The model itself: the only file that imports onnxruntime.

Providers, threads and precision are decided here and reported as they really are.
"""

from __future__ import annotations

import ctypes
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan.engine import forks
from clinspan.errors import (
    BundleError,
    ClinspanError,
    ClosedError,
    DeviceError,
    InferenceError,
    InputError,
    MissingDependencyError,
)

_log = logging.getLogger(__name__)

Logits = npt.NDArray[np.float32]
CPU_PROVIDER = "CPUExecutionProvider"
_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
_LOGITS = ("tensor(float)", "tensor(float16)", "tensor(double)")

# Slower on CPU than the LayerNormalization and Add that it replaces: 10 to 15 % of a BERT-base.
_SLOWER_WHEN_FUSED = {"cpu": ["SkipLayerNormFusion"]}


@dataclass(frozen=True, slots=True)
class Device:
    """A place to run: `cpu`, `cuda` or `cuda:N`."""

    kind: str
    index: int = 0

    @staticmethod
    def parse(name: str) -> Device:
        """Read a device name; raises InputError for anything but `cpu`, `cuda`, `cuda:N`."""
        kind, _, index = name.partition(":") if isinstance(name, str) else ("", "", "")
        if kind == "cpu" and not index:
            return Device("cpu")
        if kind == "cuda" and (not index or index.isdecimal()):
            return Device("cuda", int(index or 0))
        raise InputError(f"unknown device {name!r}: expected 'cpu', 'cuda' or 'cuda:N'")


class Session:
    """A loaded model. `run` may be called from many threads at once."""

    def __init__(
        self,
        path: Path,
        *,
        device: Device,
        classes: int,
        threads: int = 1,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Load a model.

        Args:
            path: the .onnx file.
            device: where to run; anything but that raises.
            classes: labels that the logits must have.
            threads: threads that share the work of one run (onnxruntime's intra-op threads).
            options: onnxruntime settings: names of `SessionOptions` attributes, or configuration keys
                such as "session.intra_op.allow_spinning"; they win over the settings made here.

        Raises:
            MissingDependencyError: onnxruntime is not installed.
            DeviceError: the device does not really run here.
            BundleError: onnxruntime cannot load the file, or it is no token classifier.
        """
        ort = _onnxruntime()
        self._start = partial(_start, ort, path, device, threads, options)
        self._path = path
        self._file = _identity(path)
        self._session: Any = self._start()
        self._closed = False
        self._lock = threading.Lock()
        self.provider: str = self._session.get_providers()[0]
        self.version: str = ort.__version__
        settings = self._session.get_session_options()
        self.threads: int = settings.intra_op_num_threads
        parallel = settings.execution_mode == ort.ExecutionMode.ORT_PARALLEL
        self._has_threads = self.threads != 1 or parallel
        self._ort = ort
        self._device = device
        self._classes = classes
        try:
            self._inputs = self._check_inputs(path)
            self._output = self._check_output(path)
        except UnicodeDecodeError as error:
            raise BundleError(f"{path.name} has an input or output whose names are not UTF-8") from error
        forks.watch(self)

    def run(self, ids: npt.NDArray[np.int64], mask: npt.NDArray[np.int64]) -> Logits:
        """Run the model once.

        Args:
            ids: int64 (b, t), special tokens included.
            mask: int64 (b, t), 1 for tokens, 0 for padding.

        Returns:
            float32 (b, t, c).

        Raises:
            InferenceError: onnxruntime failed, or the logits are not finite numbers of the right shape.
            ClosedError: the session was closed.
            DeviceError: this process was forked after the model was loaded on a GPU.
        """
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        try:
            with forks.gate:
                session = self._session or self._started_again()
                logits = self._run(session, {name: feed[name] for name in self._inputs})
        except ClinspanError:
            raise
        except Exception as error:
            raise InferenceError(
                f"the model failed on a batch of {ids.shape[0]} x {ids.shape[1]} tokens"
            ) from error
        logits = np.asarray(logits, dtype=np.float32)
        if logits.shape != (*ids.shape, self._classes):
            raise InferenceError(
                f"the model gave logits of shape {logits.shape}, expected {(*ids.shape, self._classes)}"
            )
        if not np.isfinite(logits).all():
            raise InferenceError("the model gave logits that are not finite numbers")
        return logits

    def close(self) -> None:
        """End the session and give its memory back, once the runs under way are done."""
        with self._lock:
            self._closed = True
            self._session = None
        _return_memory()

    def after_fork(self) -> None:
        """Let go, in a child process, of a session whose threads or GPU only the parent has."""
        self._lock = threading.Lock()
        if self._session is not None and (self._has_threads or self.provider != CPU_PROVIDER):
            forks.never_end(self._session)
            self._session = None

    def _started_again(self) -> Any:
        with self._lock:
            if self._closed:
                raise ClosedError
            if self.provider != CPU_PROVIDER:
                raise DeviceError(
                    "a model on a GPU cannot be used in a process forked after it was loaded: load it in the "
                    "child, or start processes with the method 'spawn'"
                )
            if self._session is None:
                if _identity(self._path) != self._file:
                    raise BundleError(
                        f"{self._path} is not the file that was loaded before this process was forked: "
                        "load the new one with Recognizer.load"
                    )
                self._session = self._start()
            return self._session

    def _run(self, session: Any, feed: Mapping[str, npt.NDArray[np.int64]]) -> Any:
        if self._device.kind == "cpu":
            (logits,) = session.run([self._output], feed)
            return logits
        return _run_bound(self._ort, session, feed, self._output, self._device)

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

    def _check_output(self, path: Path) -> str:
        outputs = {node.name: node for node in self._session.get_outputs()}
        if "logits" not in outputs:
            raise BundleError(f"{path.name} has no output called logits")
        if outputs["logits"].type not in _LOGITS:
            raise BundleError(
                f"{path.name} gives logits as {outputs['logits'].type}: expected {', '.join(_LOGITS)}"
            )
        classes = outputs["logits"].shape[-1] if outputs["logits"].shape else None
        if isinstance(classes, int) and classes != self._classes:
            raise BundleError(
                f"{path.name} gives {classes} logits a token, and there are {self._classes} labels"
            )
        return "logits"


def _identity(path: Path) -> tuple[int, ...]:
    """What changes when a file is written or replaced; nothing where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _start(ort: Any, path: Path, device: Device, threads: int, options: Mapping[str, Any] | None) -> Any:
    """An `onnxruntime.InferenceSession` on the device asked for."""
    provider = _provider(ort, device)
    settings = _session_options(ort, threads, options)
    try:
        with forks.gate:
            slower = _SLOWER_WHEN_FUSED.get(device.kind)
            session = ort.InferenceSession(
                str(path),
                settings,
                providers=[provider],
                disabled_optimizers=slower,
                # It would try the CPU, on load and on a run that fails, and say so on standard output.
                enable_fallback=0,
            )
            session.disable_fallback()  # for runs, also where the version does not know the option
    except Exception as error:
        if device.kind != "cpu":
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


def _run_bound(
    ort: Any, session: Any, feed: Mapping[str, npt.NDArray[np.int64]], output: str, device: Device
) -> Any:
    """One copy of each input to the device and one of the logits back; nothing else crosses over."""
    place = (device.kind, device.index)
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


def _onnxruntime() -> Any:
    # From 1.29 on, onnxruntime sends usage events to Microsoft, keeps them and a device identifier in the
    # home folder, and has a thread for it, for which a forked process waits for ever as it ends. Only this
    # variable, set before the first import, turns all of that off
    # (https://github.com/microsoft/onnxruntime/blob/main/docs/Privacy.md).
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            "onnxruntime is not installed: pip install 'clinspan[cpu]', or 'clinspan[gpu]' for NVIDIA GPUs"
        ) from error
    if hasattr(onnxruntime, "disable_telemetry_events"):
        onnxruntime.disable_telemetry_events()  # where the application had imported it before
    return onnxruntime


def _provider(ort: Any, device: Device) -> tuple[str, dict[str, Any]]:
    if device.kind == "cpu":
        return CPU_PROVIDER, {}
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        raise DeviceError(
            "device 'cuda' was asked for, and this onnxruntime has no CUDAExecutionProvider: "
            "pip uninstall onnxruntime, then pip install 'clinspan[gpu]'"
        )
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # finds the CUDA and cuDNN libraries that come as Python wheels
    return "CUDAExecutionProvider", {"device_id": device.index}


def _session_options(ort: Any, threads: int, options: Mapping[str, Any] | None) -> Any:
    settings = ort.SessionOptions()
    settings.log_severity_level = 4  # errors are raised; onnxruntime would write them to standard error too
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    # Spinning threads of one session slow every other session in the process down by half.
    options = {"session.intra_op.allow_spinning": "0", **(options or {})}
    for key, value in options.items():
        if not isinstance(key, str):
            raise InputError(f"session_options: a name is a {type(key).__name__}, expected a str")
        if "." in key:
            settings.add_session_config_entry(key, str(value))
        elif hasattr(settings, key) and not callable(getattr(settings, key)):
            try:
                setattr(settings, key, value)
            except TypeError as error:
                raise InputError(
                    f"session_options: onnxruntime takes no {type(value).__name__} for {key}"
                ) from error
        else:
            raise InputError(f"session_options: onnxruntime {ort.__version__} has no setting {key!r}")
    return settings
