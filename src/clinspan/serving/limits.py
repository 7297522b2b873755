"""Limits on requests, set through environment variables by whoever runs the function."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from clinspan.engine.cores import available_cores
from clinspan.errors import InputError

OPTIONS = ("threshold", "aggregation", "timeout")

# Memory that comes with one full vCPU in AWS Lambda, in MB
# (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
_LAMBDA_MB_PER_CORE = 1769


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on a request. Each field is read from CLINSPAN_ and its name in capitals.

    Attributes:
        max_bytes: of a request body; the default is what AWS Lambda lets through.
        max_answer_bytes: of an answer's JSON; the default is a little less than Lambda lets through.
        max_notes: in one request.
        max_characters: of all notes of a request together.
        max_seconds: that a request may take, however much time the service gives it.
        reserve_seconds: kept back from the time that the service gives, to send the answer in.
        options: the request's options that are allowed, separated by commas.
    """

    max_bytes: int = 6_291_456
    max_answer_bytes: int = 6_000_000
    max_notes: int = 100
    max_characters: int = 2_000_000
    max_seconds: float = math.inf
    reserve_seconds: float = 0.5
    options: tuple[str, ...] = OPTIONS

    @staticmethod
    def read(environment: Mapping[str, str]) -> Limits:
        """Read the limits.

        Raises:
            InputError: a variable's value makes no sense; the message names it.

        >>> Limits.read({"CLINSPAN_MAX_NOTES": "8"}).max_notes
        8
        """
        values: dict[str, Any] = {}
        for field in fields(Limits):
            name = f"CLINSPAN_{field.name.upper()}"
            text = environment.get(name, "").strip()
            if text:
                values[field.name] = _parse(name, text, field.default)
        return Limits(**values)

    def seconds(self, given: float | None, asked: float | None) -> float | None:
        """Seconds that a request may take: the least of what the service gives, less the reserve, what the
        request asks for and `max_seconds`; None for no limit, and never more than 0 where none are left.
        """
        left = math.inf if given is None else given - self.reserve_seconds
        seconds = min(left, self.max_seconds, math.inf if asked is None else asked)
        return None if seconds == math.inf else seconds


def threads(environment: Mapping[str, str]) -> int:
    """Cores to use: CLINSPAN_THREADS; else what this process may use, and no more than Lambda pays for.

    A Lambda function sees more cores than its memory setting buys.
    """
    text = environment.get("CLINSPAN_THREADS", "").strip()
    if text:
        value: int = _parse("CLINSPAN_THREADS", text, 1)
        return value
    cores = available_cores()
    memory = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    return min(cores, math.ceil(int(memory) / _LAMBDA_MB_PER_CORE)) if memory.isdecimal() else cores


def _parse(name: str, text: str, default: object) -> Any:
    if isinstance(default, tuple):
        names = tuple(part.strip() for part in text.split(",") if part.strip())
        if not set(names) <= {*OPTIONS, "none"}:
            raise InputError(f"{name} is {text!r}: expected some of {', '.join(OPTIONS)}, or none")
        return tuple(part for part in names if part != "none")
    kind = "an integer" if isinstance(default, int) else "a number"
    try:
        value = int(text) if isinstance(default, int) else float(text)
    except ValueError:
        raise InputError(f"{name} is {text!r}: expected {kind} above 0") from None
    if not value > 0:
        raise InputError(f"{name} is {text!r}: expected {kind} above 0")
    return value
