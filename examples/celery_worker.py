"""A Celery task that is given a note's number and reads it itself, so that no queue holds a note. Needs celery.

usage: CELERY_BROKER=redis://localhost celery --app celery_worker worker --concurrency 2
"""

import os
from functools import cache
from pathlib import Path

from celery import Celery

from clinspan import DeadlineError, Recognizer

broker = os.environ.get("CELERY_BROKER", "redis://localhost")
app = Celery("celery_worker", broker=broker, backend=os.environ.get("CELERY_BACKEND", broker))
NOTES = sorted(Path(__file__).parent.glob("*.txt"))  # in place of a database


@cache
def recognizer() -> Recognizer:
    """Load the model once in each worker process, at its first task."""
    return Recognizer.load(threads=1)


@app.task(autoretry_for=(DeadlineError,), max_retries=2)
def count_spans(number: int) -> int:
    """Read one note and return how many entities it has."""
    note = NOTES[number].read_bytes().decode("utf-8")
    return len(recognizer().recognize(note, timeout=60))
