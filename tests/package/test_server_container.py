"""The container that serves HTTP runs `clinspan serve`, and brings nothing for it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from clinspan.cli.main import main
from clinspan.package.container import package_container
from clinspan.package.parts.assemble import Inputs
from clinspan.package.targets import Target, target


@pytest.mark.slow
def test_the_http_container_starts_the_server_without_another_package(host: Target, tmp_path: Path) -> None:
    """The runtime's own wheels alone; the command has the options that it is given."""
    made = package_container(
        tmp_path / "context", target("container", python=host.python), Inputs(), server="http"
    )
    assert {wheel.name for wheel in made.wheels} == {"clinspan", "numpy", "onnxruntime", "tokenizers"}
    lines = (made.path / "Dockerfile").read_text()
    (start,), (options,) = (
        [json.loads(words) for words in re.findall(rf"^{word} (.*)$", lines, re.MULTILINE)]
        for word in ("ENTRYPOINT", "CMD")
    )
    assert start[:4] == ["python", "-m", "clinspan", "serve"]
    assert "COPY bundle /app/bundle" in lines
    with pytest.raises(SystemExit, match="0"):
        main([*start[3:], *options, "--help"])
