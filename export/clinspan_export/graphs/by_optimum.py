"""Write a checkpoint as an fp32 ONNX graph through optimum, for those who build on its settings of each architecture."""

from __future__ import annotations

import importlib.metadata as metadata
import tempfile
from pathlib import Path
from typing import Any

from clinspan.errors import MissingDependencyError, installing
from clinspan_export.errors import ExportError, first_line
from clinspan_export.quiet import quiet

PACKAGE = "optimum-onnx"
# The first version of transformers that optimum-onnx 0.1.0 cannot be imported with.
_BEYOND = (4, 58)


def check_installed() -> None:
    """Refuse where optimum is not installed, or does not work with the installed transformers.

    Raises:
        MissingDependencyError: the message says what brings it.
    """
    try:
        version = metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        raise MissingDependencyError(
            f"{PACKAGE} is not installed: --exporter optimum needs {installing('optimum')}"
        ) from None
    installed = metadata.version("transformers")
    if tuple(int(part) for part in installed.split(".")[:2]) >= _BEYOND:
        raise MissingDependencyError(
            f"{PACKAGE} {version} works with transformers before 4.58, and {installed} is installed: "
            f"{installing('optimum')} into another environment, or leave --exporter optimum out"
        )


def check_supported(config: Any, inputs: set[str]) -> None:
    """Refuse a model that optimum does not know, or that takes more than `inputs`.

    Raises:
        ExportError: the message names what is missing.
    """
    with quiet():
        from optimum.exporters.onnx import model_configs  # noqa: F401 - registers the architectures
        from optimum.exporters.tasks import TasksManager

    kind = config.model_type
    if kind not in TasksManager.get_supported_model_type_for_task("token-classification", exporter="onnx"):
        raise ExportError(
            f"optimum has no ONNX configuration for {kind} models: leave --exporter optimum out, torch can trace more"
        )
    constructor = TasksManager.get_exporter_config_constructor(
        "onnx", model_type=kind, task="token-classification", library_name="transformers"
    )
    extra = sorted(set(constructor(config).inputs) - inputs)
    if extra:
        raise ExportError(f"{kind} models need {', '.join(extra)} besides text, which notes do not have")


def write(model: Any, path: Path) -> None:
    """Write the graph.

    Raises:
        ExportError: optimum could not trace the model.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as work, quiet():
        from optimum.exporters.onnx import onnx_export_from_model

        try:
            onnx_export_from_model(
                model, Path(work), task="token-classification", do_validation=False, preprocessors=None
            )
        except OSError:
            raise
        except Exception as error:
            raise ExportError(
                f"optimum could not trace this {model.config.model_type} model "
                f"({type(error).__name__}: {first_line(error)})"
            ) from error
        Path(work, "model.onnx").replace(path)
