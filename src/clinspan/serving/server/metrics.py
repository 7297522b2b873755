"""Counts and times for Prometheus, in its text format; nothing of a note.

See https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

# Upper ends of the classes of the histogram, in seconds.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counts of a server since it began; shared by its threads."""

    def __init__(self, model: Mapping[str, str], counted: str = "spans") -> None:
        """Begin at nothing; `counted` is the name of what answers hold."""
        self._counted = counted
        self._model = model
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._within: Counter[tuple[str, float]] = Counter()
        self._seconds: dict[str, float] = {}
        self._sizes: Counter[str] = Counter()
        self._under_way = 0

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Count a request as under way."""
        with self._lock:
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    def requests_under_way(self) -> int:
        """Count the requests that have not been answered yet."""
        with self._lock:
            return self._under_way

    def add(self, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        with self._lock:
            self._requests[route, status] += 1
            self._seconds[route] = self._seconds.get(route, 0.0) + seconds
            for end in _BUCKETS:
                self._within[route, end] += seconds <= end

    def count_text(self, request: object) -> None:
        """Count the notes and characters of a request, before it was checked."""
        if not isinstance(request, dict):
            return
        given = request.get("notes")
        notes = given if isinstance(given, list) else [request]
        texts = [note for note in notes if isinstance(note, dict) and isinstance(note.get("text"), str)]
        parts = [note.get(name) for note in texts for name in ("text", "text_pair")]
        with self._lock:
            self._sizes["notes"] += len(texts)
            self._sizes["characters"] += sum(len(part) for part in parts if isinstance(part, str))

    def count_found(self, number: int) -> None:
        """Count the spans, chosen labels or vectors of an answer."""
        with self._lock:
            self._sizes[self._counted] += number

    def text(self) -> str:
        """Write everything in Prometheus's format."""
        with self._lock:
            model = ",".join(f'{name}="{_escaped(value)}"' for name, value in self._model.items())
            lines = _head("clinspan_model_info", "gauge", "The model that is loaded.")
            lines.append(f"clinspan_model_info{{{model}}} 1")
            lines += _head("clinspan_requests_in_flight", "gauge", "Requests under way.")
            lines.append(f"clinspan_requests_in_flight {self._under_way}")
            lines += _head("clinspan_requests_total", "counter", "Requests answered.")
            for (route, status), count in sorted(self._requests.items()):
                lines.append(f'clinspan_requests_total{{route="{route}",status="{status}"}} {count}')
            for name in ("notes", "characters", self._counted):
                lines += _head(
                    f"clinspan_{name}_total", "counter", f"Number of {name} in requests and answers."
                )
                lines.append(f"clinspan_{name}_total {self._sizes[name]}")
            lines += self._histogram()
        return "\n".join(lines) + "\n"

    def _histogram(self) -> list[str]:
        name = "clinspan_request_seconds"
        lines = _head(name, "histogram", "Time from a request to its answer.")
        for route in sorted(self._seconds):
            count = sum(number for (one, _), number in self._requests.items() if one == route)
            for end in _BUCKETS:
                lines.append(f'{name}_bucket{{route="{route}",le="{end}"}} {self._within[route, end]}')
            lines.append(f'{name}_bucket{{route="{route}",le="+Inf"}} {count}')
            lines.append(f'{name}_sum{{route="{route}"}} {self._seconds[route]:.6f}')
            lines.append(f'{name}_count{{route="{route}"}} {count}')
        return lines


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
