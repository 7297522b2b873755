"""Warm a function up before AWS Lambda SnapStart keeps its memory.

A restored function goes on from the snapshot: what the first answer sets up (memory of the session, tokenizer, caches) is then
there already. https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from clinspan.serving import logs
from clinspan.serving.service import Service

_NOTE = "No fever. She takes aspirin 81 mg daily."


def warm_before_snapshot(service: Service, environment: Mapping[str, str]) -> bool:
    """Answer a note of ours before the snapshot, if this process is started for one.

    Args:
        service: the loaded model.
        environment: of the process; Lambda says in it how the function was initialised.

    Returns:
        Whether a hook was registered, or, where the runtime has none, the note answered at once.
    """
    if environment.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
        return False
    try:
        from snapshot_restore_py import register_before_snapshot  # part of Lambda's Python runtimes
    except ImportError:
        warm_up(service)
    else:
        register_before_snapshot(warm_up, service)
    return True


def warm_up(service: Service) -> None:
    """Answer a short and a long note, so that the first request finds everything set up."""
    began = time.perf_counter()
    status = [service.answer(lambda text=text: {"text": text}).status for text in (_NOTE, _NOTE * 100)]  # type: ignore[misc]
    if 400 in status:  # a model of pairs
        status = [service.answer(lambda: {"text": _NOTE, "text_pair": _NOTE}).status]
    logs.write("warmed_up", status=max(status), ms=round(1000 * (time.perf_counter() - began), 1))
