"""Providers, threads and what the process may use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clinspan import BundleError, DeviceError, InferenceError, InputError, MissingDependencyError, Recognizer
from clinspan.bundle.loading import STARTER
from clinspan.engine import session as sessions
from clinspan.engine.providers import Device
from clinspan.engine.session import Session

MODEL = STARTER / "onnx" / "model_int8.onnx"
CPU = Device("cpu")


def load(**options: object) -> Session:
    """The bundled model."""
    classes = len(Recognizer.load(threads=1)._bundle.labels.names)
    return Session(MODEL, device=CPU, **{"classes": classes, **options})  # type: ignore[arg-type]


def test_logits_have_a_row_for_every_token() -> None:
    """float32 (b, t, c)."""
    session = load()
    ids = np.full((2, 7), 1012, dtype=np.int64)
    logits = session.run(ids, np.ones_like(ids))
    assert logits.dtype == np.float32
    assert logits.shape[:2] == (2, 7)


@pytest.mark.parametrize("shape", [(1, 1), (3, 40)], ids=["one-token", "batch"])
def test_bound_inputs_and_outputs_give_the_same_logits(shape: tuple[int, int]) -> None:
    """Inputs are bound to the device and logits copied back, as on a GPU; the CPU is a device like any other."""
    session = load()
    ids = np.random.default_rng(0).integers(1000, 20000, shape)
    mask = np.ones_like(ids)
    mask[:, 30:] = 0
    feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    feed = {name: feed[name] for name in session._inputs}
    bound = sessions._run_bound(session._ort, session._session, feed, "logits", ("cpu", 0))
    assert isinstance(bound, np.ndarray)
    assert np.array_equal(bound, session.run(ids, mask))


def test_only_a_cpu_runs_without_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session on another device takes the bound way to that very device."""
    session = load()
    session._device = Device("cuda", "1")
    used: list[tuple[str, int]] = []
    inner = sessions._run_bound

    def bound(
        ort: object, loaded: object, feed: dict[str, np.ndarray], output: str, place: tuple[str, int]
    ) -> object:
        used.append(place)
        return inner(ort, loaded, feed, output, ("cpu", 0))

    monkeypatch.setattr(sessions, "_run_bound", bound)
    ids = np.full((1, 7), 1012, dtype=np.int64)
    assert session.run(ids, np.ones_like(ids)).shape[:2] == (1, 7)
    assert used == [("cuda", 1)]


@pytest.mark.gpu
def test_a_gpu_finds_what_the_cpu_finds() -> None:
    """On CUDA itself: the provider is in use, and at least 95 of 100 spans are the same."""
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has no CUDA")
    note = "Started metformin 500 mg twice daily for type 2 diabetes. No chest pain. " * 60
    cpu, gpu = Recognizer.load(device="cpu"), Recognizer.load(device="cuda")
    assert gpu.report().provider == "CUDAExecutionProvider"
    here, there = ({(s.label, s.start, s.end) for s in found.recognize(note)} for found in (cpu, gpu))
    assert len(here & there) >= 0.95 * len(here | there) > 0


def test_the_session_says_what_it_runs_on() -> None:
    """Provider and threads as they are, an expert's settings included."""
    assert load().provider == "CPUExecutionProvider"
    assert load(options={"intra_op_num_threads": 2}).threads == 2


@pytest.mark.parametrize(
    "options",
    [{"no_such_setting": 1}, {"intra_op_num_threads": "many"}, {"add_session_config_entry": 1}],
    ids=["unknown", "wrong-type", "method"],
)
def test_a_setting_that_onnxruntime_does_not_take_is_refused(options: dict[str, object]) -> None:
    """An unknown session option is an error, never ignored."""
    with pytest.raises(InputError, match="session_options"):
        load(options=options)


def test_cuda_is_refused_where_it_does_not_run() -> None:
    """No silent fallback to CPU."""
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(DeviceError, match="cuda"):
        Recognizer.load(device="cuda")


def test_a_provider_that_onnxruntime_drops_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Onnxruntime with CUDA on a machine without a GPU starts the CPU provider and goes on."""
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    inner = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda path, settings, **_: inner(path, settings, providers=["CPUExecutionProvider"]),
    )
    with pytest.raises(DeviceError, match="CPUExecutionProvider"):
        Recognizer.load(device="cuda:0")


def test_a_provider_that_fails_in_a_run_is_not_replaced() -> None:
    """Onnxruntime otherwise goes on with the CPU provider, and says so on standard output alone."""
    assert load()._session._enable_fallback is False


@pytest.mark.parametrize(
    "name", ["gpu", "cpu:1", "cuda:x", "cuda:", "", "CUDA", "coreml:1", "openvino:", None]
)
def test_an_unknown_device_is_refused(name: str) -> None:
    """Only devices that onnxruntime may have, with a unit where there are several."""
    with pytest.raises(InputError, match="device"):
        Device.parse(name)


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("cuda:1", "CUDAExecutionProvider"),
        ("tensorrt", "TensorrtExecutionProvider"),
        ("openvino:GPU", "OpenVINOExecutionProvider"),
        ("directml", "DmlExecutionProvider"),
        ("OpenVINOExecutionProvider", "OpenVINOExecutionProvider"),
        ("RocmExecutionProvider", "RocmExecutionProvider"),
    ],
)
def test_a_device_is_a_provider_of_onnxruntime(name: str, provider: str) -> None:
    """By a short name or its own; one that this onnxruntime does not have is refused, never replaced."""
    import onnxruntime

    assert Device.parse(name).provider == provider
    if provider in onnxruntime.get_available_providers():
        pytest.skip(f"this onnxruntime has {provider}")
    with pytest.raises(DeviceError, match=provider):
        Recognizer.load(device=name)


def test_a_device_that_gets_no_node_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that starts and leaves the whole model to the CPU is not one to use."""
    monkeypatch.setattr(sessions, "_share", lambda *_: 0.0)
    with pytest.raises(DeviceError, match="none of the model's nodes"):
        load()


def test_openvino_runs_what_it_is_asked_to_run() -> None:
    """OpenVINO's provider has all nodes of the starter, and finds what the CPU's finds, except for roundings."""
    import onnxruntime

    if "OpenVINOExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has no OpenVINO")
    note = "Started metformin 500 mg twice daily for type 2 diabetes. No chest pain. " * 20
    with Recognizer.load() as cpu, Recognizer.load(device="openvino") as openvino:
        assert openvino.report().provider == "OpenVINOExecutionProvider"
        assert openvino.report().share == 1.0
        here, there = (
            {(s.label, s.start, s.end) for s in found.recognize(note)} for found in (cpu, openvino)
        )
        streamed = [
            [(s.label, s.start, s.end) for s in spans] for spans in openvino.pipe([note, "No fever."])
        ]
    assert len(here & there) >= 0.98 * len(here | there) > 0
    assert set(streamed[0]) == there
    with pytest.raises(DeviceError, match="OpenVINO"):
        Recognizer.load(device="openvino:NPU")


def test_a_missing_onnxruntime_names_the_two_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r"clinspan\[cpu\].*extra gpu"):
        load()


def test_a_model_with_another_number_of_labels_is_refused() -> None:
    """Labels and logits must agree."""
    with pytest.raises(BundleError, match="labels"):
        load(classes=3)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    """Onnxruntime's own error becomes one line."""
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(BundleError, match=r"model\.onnx"):
        Session(path, device=CPU, classes=2)


def test_a_run_that_fails_says_so_without_the_tokens() -> None:
    """An id outside the vocabulary is an InferenceError."""
    ids = np.array([[99_999_999]], dtype=np.int64)
    with pytest.raises(InferenceError, match="1 x 1 tokens"):
        load().run(ids, np.ones_like(ids))


@pytest.mark.skipif(sys.platform != "linux", reason="where onnxruntime keeps its events is known for Linux")
def test_onnxruntime_keeps_and_sends_no_usage_events(tmp_path: Path) -> None:
    """Nothing appears in the home folder, where it would keep them and an identifier of the device."""
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"} | home
    script = "from clinspan import Recognizer\nRecognizer.load().recognize('She has pneumonia.')"
    subprocess.run([sys.executable, "-B", "-c", script], check=True, env=environment, timeout=60)
    assert not list(tmp_path.rglob("*"))
