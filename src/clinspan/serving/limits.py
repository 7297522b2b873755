"""Limits of what a request may ask for, set by whoever runs the function, through environment variables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from clinspan.engine.cores import available_cores
from clinspan.errors import InputError

# The options of each thing that a model may do for a request.
VERB_OPTIONS = {
    "recognize": ("threshold", "aggregation", "timeout", "assertion", "regimens"),
    "classify": ("threshold", "truncate", "timeout"),
    "embed": ("normalize", "truncate", "timeout"),
}
OPTIONS = (*VERB_OPTIONS["recognize"], "truncate", "normalize")

# Memory that comes with one full vCPU in AWS Lambda, in MB
# (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
_LAMBDA_MB_PER_CORE = 1769


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Limits of what a request may ask for. Each is read from CLINSPAN_ and its name in capitals.

    Attributes:
        max_bytes: largest request body; the default is the largest that AWS Lambda passes on.
        max_answer_bytes: largest JSON of an answer, as it is sent: API Gateway and function URLs get it as a string
            inside other JSON, with a backslash before each quotation mark. The default is a little less than Lambda
            passes on.
        max_notes: most notes in a request.
        max_characters: most characters in all notes of a request together.
        max_seconds: longest time for a request, even if the service gives more.
        reserve_seconds: time kept back for sending the answer.
        options: the options that a request may use; in the variable, separated by commas.
    """

    max_bytes: int = 6_291_456
    max_answer_bytes: int = 6_000_000
    max_notes: int = 100
    max_characters: int = 2_000_000
    max_seconds: float = math.inf
    reserve_seconds: float = 0.5
    options: tuple[str, ...] = OPTIONS

    @staticmethod
    def read(environment: Mapping[str, str]) -> RequestLimits:
        """Read the limits.

        Raises:
            InputError: a variable's value makes no sense; the message names it.

        >>> RequestLimits.read({"CLINSPAN_MAX_NOTES": "8"}).max_notes
        8
        """
        values: dict[str, Any] = {}
        for field in fields(RequestLimits):
            name = f"CLINSPAN_{field.name.upper()}"
            text = environment.get(name, "").strip()
            if text:
                values[field.name] = _parse(name, text, field.default)
        return RequestLimits(**values)

    def seconds(self, given: float | None, asked: float | None) -> float | None:
        """Compute the seconds that a request may take: the least of three limits; 0 or less if no time is left.

        Args:
            given: time that the service gives, from which the reserve is kept back; None for no limit.
            asked: the request's own `timeout`; None for no limit.

        Returns:
            Seconds, at most `max_seconds`; None for no limit.
        """
        left = math.inf if given is None else given - self.reserve_seconds
        seconds = min(left, self.max_seconds, math.inf if asked is None else asked)
        return None if seconds == math.inf else seconds


def threads(environment: Mapping[str, str]) -> int:
    """Choose how many cores to use: CLINSPAN_THREADS, or those of this process, within what Lambda grants.

    A Lambda function sees more cores than come with its memory setting.
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
