"""The real clients of the services, as child processes that see a package and nothing else."""

from __future__ import annotations

import http.client
import importlib.util
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.packages.small_wheels import read_only

LAMBDA_CLIENT = ("awslambdaric", "simplejson", "snapshot_restore_py", "runtime_client")
MEMORY = 1769 * 2**20


def client_only(folder: Path, modules: Sequence[str]) -> Path:
    """A folder with links to these installed modules and no other."""
    folder.mkdir()
    for name in modules:
        found = importlib.util.find_spec(name)
        assert found is not None, f"{name} is not installed: pip install 'clinspan[test]'"
        assert found.origin is not None
        place = Path(found.origin)
        place = place.parent if found.submodule_search_locations else place
        (folder / place.name).symlink_to(place)
    return folder


def one_cpu_and_address_space() -> None:
    """Limit this process: the first of its CPUs, and addresses for as much memory as comes with one."""
    one_cpu()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def one_cpu() -> None:
    """Limit this process to the first of its CPUs."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@contextmanager
def lambda_runtime(
    address: str,
    task: Path,
    *path: Path,
    handler: str,
    limit: Callable[[], None] = one_cpu_and_address_space,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run awslambdaric on a read-only task folder.

    Args:
        address: of the Runtime API.
        task: the function's folder.
        path: further folders on the path.
        handler: module and function.
        limit: called in the child before it starts.
        environment: more variables.
    """
    command = [sys.executable, "-S", "-s", "-B", "-m", "awslambdaric", handler]
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, [*path, task])),
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "LAMBDA_TASK_ROOT": str(task),
        **(environment or {}),
    }
    process = subprocess.Popen(
        read_only(task, command), cwd=task, env=variables, preexec_fn=limit,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def framework(source: Path, *, target: str) -> Iterator[int]:
    """functions-framework on a free port of loopback; gives the port once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-B", "-m", "functions_framework", "--host=127.0.0.1", f"--port={port}"]
    process = subprocess.Popen(
        read_only(source.parent, [*command, f"--source={source}", f"--target={target}"]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": ""},
        cwd=source.parent,
    )
    try:
        _wait(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise RuntimeError("functions-framework does not answer")
