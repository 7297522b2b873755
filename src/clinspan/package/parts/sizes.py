"""Measure a package's parts against the limits of its service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clinspan.package.targets import GCF_UNPACKED, GCF_ZIP, LAMBDA_IMAGE, LAMBDA_UNPACKED, LAMBDA_ZIP


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a package: bytes unpacked and zipped."""

    name: str
    unpacked: int
    zipped: int


@dataclass(frozen=True, slots=True)
class Route:
    """A way to deploy: which size counts, in bytes, and how many are allowed.

    A package that does not fit a `required` way cannot be deployed at all.
    """

    name: str
    counts: str
    size: int
    limit: int
    required: bool = False

    @property
    def fits(self) -> bool:
        """Say whether the size is within the limit."""
        return self.size <= self.limit


def measure(
    root: Path, parts: Mapping[str, str], zipped: Mapping[str, int], *, order: Sequence[str] = ()
) -> list[Part]:
    """Add up the files of each part.

    Args:
        root: folder with the files.
        parts: path -> part.
        zipped: path -> compressed bytes.
        order: names of parts that come first.
    """
    sums: dict[str, list[int]] = {name: [0, 0] for name in order}
    for path, part in sorted(parts.items()):
        entry = sums.setdefault(part, [0, 0])
        entry[0] += (root / path).stat().st_size
        entry[1] += zipped[path]
    return [Part(name, *sizes) for name, sizes in sums.items() if sizes[0]]


def lambda_routes(parts: Sequence[Part], archives: Mapping[str, int]) -> list[Route]:
    """List the ways into Lambda.

    Args:
        parts: of the package.
        archives: size in bytes of each zip that is uploaded.
    """
    unpacked = sum(part.unpacked for part in parts)
    largest = max(archives.values())
    what = "zip" if len(archives) == 1 else "layers"
    return [
        Route(f"{what}, uploaded directly", "zipped", largest, LAMBDA_ZIP),
        Route(f"{what}, uploaded through S3", "unpacked", unpacked, LAMBDA_UNPACKED, required=True),
        Route("container image", "unpacked", unpacked, LAMBDA_IMAGE),
    ]


def gcf_routes(parts: Sequence[Part], archives: Mapping[str, int]) -> list[Route]:
    """List the ways into Google's functions, as `lambda_routes`; the 2nd generation states no limit of its own."""
    unpacked, zipped = sum(part.unpacked for part in parts), sum(archives.values())
    return [
        Route("1st gen, source upload", "zipped", zipped, GCF_ZIP),
        Route("1st gen, with modules", "unpacked", unpacked, GCF_UNPACKED),
    ]


def table(parts: Sequence[Part], routes: Sequence[Route], archives: Mapping[str, int]) -> str:
    """Write the sizes as lines of text, in megabytes of a million bytes."""
    rows = [("", "unpacked", "zipped"), *((p.name, _mb(p.unpacked), _mb(p.zipped)) for p in parts)]
    total = ("total", _mb(sum(p.unpacked for p in parts)), _mb(sum(archives.values())))
    lines = [f"{name:<28}{unpacked:>12}{zipped:>12}" for name, unpacked, zipped in [*rows, total]]
    lines.append("")
    lines += [
        f"{route.name:<28}{_mb(route.size):>12} of {_mb(route.limit)} {route.counts}: "
        f"{'fits' if route.fits else 'DOES NOT FIT'}"
        for route in routes
    ]
    return "\n".join(lines)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
