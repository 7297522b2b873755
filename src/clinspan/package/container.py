"""Make a container's build context: wheels, bundle and Dockerfile, which build without a network."""

from __future__ import annotations

from pathlib import Path

from clinspan import __version__
from clinspan.package.entry_point import LAMBDA_HANDLER, entry_point
from clinspan.package.parts.assemble import Inputs, Progress
from clinspan.package.parts.offline import LOCK, Folder, fill, finished, new_folder
from clinspan.package.targets import Target

# Needed beside clinspan; a handler of one's own behind HTTP is functions-framework's to call.
_SERVERS = {"lambda": "awslambdaric>=3", "http": None, "own http": "functions-framework>=3.8,<4"}

_DOCKERFILE = """\
# Made by `clinspan package container` {version}. The build needs the base image and nothing else:
#   docker build --network=none --tag clinspan-function .
#   docker run --read-only --tmpfs /tmp --cap-drop=ALL {publish}clinspan-function
ARG BASE=python:{python}-slim
FROM ${{BASE}} AS build
COPY wheels /wheels
COPY {lock} /{lock}
RUN python -m pip install --no-index --find-links=/wheels --require-hashes --no-deps --compile --target=/app -r /{lock}
COPY function /app
COPY bundle /app/bundle
# The model is in /app/bundle alone, and onnxruntime's library in its Python module, unless that links to the other copy.
RUN rm -r /app/clinspan/starter
RUN grep -q 'libonnxruntime[.]so' /app/onnxruntime/capi/onnxruntime_pybind11_state*.so || rm -f /app/onnxruntime/capi/libonnxruntime.so*
# Readable by the user below, whatever the modes were where this folder was made.
RUN chmod -R u=rwX,go=rX /app

FROM ${{BASE}}
COPY --from=build /app /app
# The user has no home; servers that look for one find the place that can be written.
ENV PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp CLINSPAN_MODEL=/app/bundle
WORKDIR /app
USER 65532:65532
{start}
"""
_START = {
    "lambda": 'ENTRYPOINT ["python", "-m", "awslambdaric"]\nCMD ["{entry}"]',
    "http": 'EXPOSE 8080\nENTRYPOINT ["python", "-m", "clinspan", "serve", "--model=/app/bundle"]\n'
    'CMD ["--host=0.0.0.0", "--port=8080"]',
    "own http": 'EXPOSE 8080\nENTRYPOINT ["python", "-m", "functions_framework"]\n'
    'CMD ["--source=/app/{module}.py", "--target={function}", "--host=0.0.0.0", "--port=8080"]',
}


def package_container(
    out: Path,
    target: Target,
    inputs: Inputs,
    *,
    server: str = "lambda",
    handler: str | None = None,
    force: bool = False,
    progress: Progress = lambda _: None,
) -> Folder:
    """Make a folder that `docker build` turns into an image without a network.

    Args:
        out: the folder to make.
        target: where it will run.
        inputs: model and wheels.
        server: `lambda` for AWS Lambda's image functions, `http` for `clinspan serve` on port 8080.
        handler: as in `package_lambda`; with `http`, functions-framework calls it. None for the server's usual one.
        force: replace `out` if it exists.
        progress: called with a line of text for each stage.

    Raises:
        PackageError: a wheel is missing or `out` exists; nothing is left behind.
    """
    is_lambda = server == "lambda"
    if server == "http" and handler is not None:
        server = "own http"
    if handler is None:
        handler = LAMBDA_HANDLER if is_lambda else "main.clinspan_http"
    entry = entry_point(handler, "handler" if is_lambda else "http")
    with new_folder(out, force=force) as folder:
        wheels = fill(folder, target, inputs, progress, server=_SERVERS[server])
        (folder / "function").mkdir()
        if server != "http":
            (folder / "function" / f"{entry.module}.py").write_text(entry.source)
        text = _DOCKERFILE.format(
            version=__version__,
            python=target.python,
            lock=LOCK,
            start=_START[server].format(entry=entry.name, module=entry.module, function=entry.function),
            publish="" if is_lambda else "--publish 8080:8080 ",
        )
        (folder / "Dockerfile").write_text(text)
    return finished(out, wheels)
