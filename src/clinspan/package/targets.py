"""Describe where a package will run: machine, Python, C library, and the limits of each service."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
ARCHITECTURES = ("x86_64", "arm64")

# Minor version of glibc 2 in each place. Lambda's python3.11 is Amazon Linux 2, its later ones are Amazon
# Linux 2023 (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html); Google's functions run on
# Ubuntu 22.04 and newer; the official python images are Debian 12 and newer; a hospital's server may be
# RHEL 8, which is also the oldest that onnxruntime's wheels support.
_GLIBC = {
    "lambda": {"3.11": 26, "3.12": 34, "3.13": 34, "3.14": 34},
    "gcf": dict.fromkeys(PYTHONS, 35),
    "container": dict.fromkeys(PYTHONS, 36),
    "wheelhouse": dict.fromkeys(PYTHONS, 28),
}
_OLDEST_USEFUL = 28
_OLDEST_MANYLINUX = 17

# Lambda refuses more than 262144000 unpacked bytes, function and layers together, and direct uploads of
# more than 50 MiB (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html); Google's
# limits are those of 1st generation functions (https://cloud.google.com/functions/quotas).
LAMBDA_ZIP = 50 * 2**20
LAMBDA_UNPACKED = 250 * 2**20
LAMBDA_IMAGE = 10 * 2**30
GCF_ZIP = 100 * 10**6
GCF_UNPACKED = 500 * 10**6


@dataclass(frozen=True, slots=True)
class Target:
    """The machine, Python and C library that a package will run on.

    Attributes:
        service: `lambda`, `gcf`, `container` or `wheelhouse`.
        arch: `x86_64` or `arm64`.
        python: such as `3.12`.
        glibc: minor version of glibc 2.
    """

    service: str
    arch: str
    python: str
    glibc: int

    @property
    def machine(self) -> str:
        """Name the architecture as wheels and kernels do."""
        return {"x86_64": "x86_64", "arm64": "aarch64"}[self.arch]

    @property
    def platforms(self) -> tuple[str, ...]:
        """List the platform tags of wheels that run there, newest first."""
        newest = [f"manylinux_2_{n}_{self.machine}" for n in range(self.glibc, _OLDEST_MANYLINUX - 1, -1)]
        return (*newest, f"manylinux2014_{self.machine}")

    @property
    def is_host(self) -> bool:
        """Say whether its binaries run on this machine, given a Python of its version."""
        return sys.platform == "linux" and platform.machine() == self.machine

    def __str__(self) -> str:
        return f"Python {self.python} on {self.arch} Linux with glibc 2.{self.glibc}"


def target(
    service: str, *, arch: str | None = None, python: str | None = None, glibc: int | None = None
) -> Target:
    """Describe a target; what is not given is taken from this machine, if the service has it.

    Args:
        service: `lambda`, `gcf`, `container` or `wheelhouse`.
        arch: `x86_64` or `arm64`; None for this machine's.
        python: such as `3.12`; None for the one running, or 3.12 where the service's is too old for wheels.
        glibc: minor version of glibc 2, where it is not the service's own.
    """
    if arch is None:
        arch = "arm64" if platform.machine() in ("aarch64", "arm64") and service != "gcf" else "x86_64"
    if python is None:
        running = "{}.{}".format(*sys.version_info)
        python = running if _GLIBC[service].get(running, 0) >= _OLDEST_USEFUL else "3.12"
    return Target(service, arch, python, _GLIBC[service][python] if glibc is None else glibc)
