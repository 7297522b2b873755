"""Where a model runs and with which settings: device names to execution providers, options to onnxruntime's.

`session.py` hands the onnxruntime module in; nothing here imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clinspan.errors import DeviceError, InputError, installing

CPU_PROVIDER = "CPUExecutionProvider"

# Slower on CPU than the LayerNormalization and Add that it replaces: 10 to 15 % of a BERT-base.
SLOWER_WHEN_FUSED = {"cpu": ["SkipLayerNormFusion"]}

# Which weights a device runs fastest with, the best first. OpenVINO's provider takes 2.8 times as long as the CPU's for the
# dynamic int8 of a bundle, and as long as it for fp32; Core ML took 60 times as long
# (https://github.com/zilliztech/memsearch/issues/606).
_INT8_FIRST = ("int8", "fp32", "fp16")
_FP32_FIRST = ("fp32", "fp16", "int8")
_FP16_FIRST = ("fp16", "fp32", "int8")


@dataclass(frozen=True, slots=True)
class _Kind:
    """Names that onnxruntime gives a kind of device.

    Attributes:
        provider: its execution provider.
        unit: the provider's option that says which of several, None where there is one.
        first: the unit that is meant without a name.
        threads: the provider's option for the threads of a run, None where it has its own way to share work.
        precisions: the best first.
        bound: onnxruntime's name for its memory, where inputs are put before a run; None to let onnxruntime copy.
    """

    provider: str
    unit: str | None = None
    first: str = "0"
    threads: str | None = None
    precisions: tuple[str, ...] = _FP16_FIRST
    bound: str | None = None


_KINDS = {
    "cpu": _Kind(CPU_PROVIDER, precisions=_INT8_FIRST),
    "cuda": _Kind("CUDAExecutionProvider", "device_id", bound="cuda"),
    "tensorrt": _Kind("TensorrtExecutionProvider", "device_id", bound="cuda"),
    "openvino": _Kind("OpenVINOExecutionProvider", "device_type", "CPU", "num_of_threads", _FP32_FIRST),
    "directml": _Kind("DmlExecutionProvider", "device_id"),
    "coreml": _Kind("CoreMLExecutionProvider"),
    "migraphx": _Kind("MIGraphXExecutionProvider", "device_id"),
    "qnn": _Kind("QNNExecutionProvider"),
}
_BY_PROVIDER = {kind.provider: name for name, kind in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class Device:
    """A place to run, such as `cpu`, `cuda:1` or `openvino:GPU`; `kind` may be the name of a provider of onnxruntime."""

    kind: str
    unit: str = ""

    @staticmethod
    def parse(name: str) -> Device:
        """Read a device name; raises InputError for anything else."""
        kind, colon, unit = name.partition(":") if isinstance(name, str) else ("", "", "")
        kind = _BY_PROVIDER.get(kind, kind)
        option = _KINDS[kind].unit if kind in _KINDS else None
        fits = unit.isdecimal() if option == "device_id" else option and unit.replace("_", "").isalnum()
        if (kind in _KINDS or kind.endswith("ExecutionProvider")) and (fits or not colon):
            return Device(kind, unit)
        raise InputError(
            f"unknown device {str(name)[:80]!r}: expected {', '.join(_KINDS)}, or a provider of onnxruntime; "
            "cuda, tensorrt, directml and migraphx take a number, such as cuda:1, and openvino a type, such as openvino:GPU"
        )

    @property
    def provider(self) -> str:
        """Onnxruntime's name of its execution provider."""
        return self._about.provider

    @property
    def precisions(self) -> tuple[str, ...]:
        """Weights that it runs fastest with, the best first."""
        return self._about.precisions

    @property
    def memory(self) -> tuple[str, int] | None:
        """Onnxruntime's name and number of its memory, where inputs are put before a run; None to let onnxruntime copy."""
        bound = self._about.bound
        return (bound, int(self.unit or 0)) if bound else None

    @property
    def shares_windows(self) -> bool:
        """Say whether its provider shares one window's work among threads by an option of its own."""
        return self._about.threads is not None

    @property
    def is_cpu(self) -> bool:
        """Say whether it is onnxruntime's own CPU provider, which gives the same bits whatever the threads."""
        return self.kind == "cpu"

    def provider_options(self, threads: int) -> dict[str, Any]:
        """The provider's options that say which unit runs a model, and with how many threads."""
        about = self._about
        given: dict[str, Any] = {about.unit: self.unit or about.first} if about.unit else {}
        return given | ({about.threads: str(threads)} if about.threads else {})

    @property
    def _about(self) -> _Kind:
        return _KINDS.get(self.kind, _Kind(self.kind))


def kinds_of(ort: Any) -> list[str]:
    """The kinds of devices whose execution providers this onnxruntime has; whether one really runs here, only loading says."""
    installed = ort.get_available_providers()
    return [name for name, kind in _KINDS.items() if kind.provider in installed]


def provider_of(
    ort: Any, device: Device, threads: int = 1, options: Mapping[str, Any] | None = None
) -> tuple[str, dict[str, Any]]:
    """The provider that onnxruntime is asked for, with its options; raises DeviceError where this onnxruntime has none."""
    name = device.provider
    if name not in ort.get_available_providers():
        raise DeviceError(
            f"device {device.kind!r} was asked for, and this onnxruntime has no {name}: {_HOW_TO_GET.get(device.kind, _ANY)}"
        )
    if device.is_cpu:
        return name, dict(options or {})
    if device.memory is not None and hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # finds the CUDA and cuDNN libraries that come as Python wheels
    return name, device.provider_options(threads) | dict(options or {})


_ANY = "install the onnxruntime that has it in place of this one (https://onnxruntime.ai/docs/execution-providers)"
_HOW_TO_GET = {
    "cuda": f"pip uninstall onnxruntime, then {installing('gpu')}",
    "tensorrt": f"pip uninstall onnxruntime, then {installing('gpu')} tensorrt",
    "openvino": "pip uninstall onnxruntime, then pip install onnxruntime-openvino",
    "directml": "pip uninstall onnxruntime, then pip install onnxruntime-directml",
    "qnn": "pip uninstall onnxruntime, then pip install onnxruntime-qnn",
}


def session_options(ort: Any, threads: int, options: Mapping[str, Any] | None) -> Any:
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
            try:
                settings.add_session_config_entry(key, str(value))
            except Exception as error:
                raise InputError(f"session_options: onnxruntime refuses this value of {key[:80]}") from error
        elif hasattr(settings, key) and not callable(getattr(settings, key)):
            try:
                setattr(settings, key, value)
            except Exception as error:
                raise InputError(
                    f"session_options: onnxruntime takes no {type(value).__name__} for {key}"
                ) from error
        else:
            raise InputError(f"session_options: onnxruntime {ort.__version__} has no setting {key!r}")
    return settings
