"""Where a model runs and with which settings: device names to execution providers, options to onnxruntime's.

`session.py` hands the onnxruntime module in; nothing here imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clinspan.errors import DeviceError, InputError

CPU_PROVIDER = "CPUExecutionProvider"

# Slower on CPU than the LayerNormalization and Add that it replaces: 10 to 15 % of a BERT-base.
SLOWER_WHEN_FUSED = {"cpu": ["SkipLayerNormFusion"]}


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


def provider_of(ort: Any, device: Device) -> tuple[str, dict[str, Any]]:
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
