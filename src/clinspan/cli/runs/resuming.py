"""Continue where an earlier run ended: what says that it was the same run, and which notes it has done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from clinspan import __version__
from clinspan.bundle.integrity import record_file
from clinspan.cli.console import say
from clinspan.cli.runs.progress import Failed, counted
from clinspan.engine.providers import CPU_PROVIDER
from clinspan.errors import InputError
from clinspan.extract.outcomes import Failure, Readable
from clinspan.extract.results import ResultLine, read_result_lines
from clinspan.extract.run_record import UNREAD, RunRecord
from clinspan.report import LoadedModel, Report
from clinspan.texts import Text


def facts_of(model: LoadedModel, max_characters: int) -> dict[str, Any]:
    """List what of a model, its settings and its libraries decides results."""
    report = model.report()
    return {
        "clinspan version": __version__,
        "library version": dict(report.versions),
        "model": _hashes(model, report),
        "precision": report.precision,
        "provider": report.provider,
        "window": [report.window, report.overlap],
        "max_characters": max_characters,
    }


def _hashes(model: LoadedModel, report: Report) -> list[str]:
    """Hash the model, its tokenizer and its labels; those that the bundle records are taken from there."""
    bundle = model._loaded.bundle
    graph = bundle.models[report.precision]
    files = [file for file in (graph, graph.data, bundle.tokenizer) if file is not None]
    hashes = [file.sha256 or record_file(bundle.path, file.path).sha256 for file in files]
    return [*hashes, *report.labels]


def skip_done(
    record: RunRecord,
    entries: Iterator[Readable[Text]],
    failed: Failed,
    *,
    again: Callable[[Readable[Text]], str | None],
    provider: str,
) -> int:
    """Skip the entries that an earlier run has done.

    Args:
        record: of the run.
        entries: the notes; those that are done are drawn.
        failed: counts the notes that the earlier run had done, and those of them that failed.
        again: reads one note again and gives the line of its result; None where it fails now.
        provider: that the model runs on.

    Returns:
        The bytes of its complete lines.

    Raises:
        InputError: its results are not the first of those asked for now.
    """
    end = count = 0
    sample: tuple[Readable[Text], ResultLine] | None = None
    digests = record.earlier()
    for line in read_result_lines(record.output):
        digest = next(digests, None)
        if digest is None:  # written last before a crash: done again
            break
        entry = next(entries, None)
        if entry is None:
            raise InputError(f"{line.where}: {record.output} holds more results than there are notes")
        if entry.id != line.id:  # neither is quoted: a name may be a field of the note
            raise InputError(
                f"{line.where} is of another note than {entry.where}, which is in its place now: "
                "--resume needs the same notes in the same order"
            )
        unread = line.error is not None and digest == UNREAD
        if not (unread or record.is_of(digest, entry.read())):
            raise InputError(f"{line.where}: its note has another text now: --resume needs the same notes")
        if line.error is not None:
            failed.add(Failure(line.id, line.error))
        elif line.found or sample is None:
            sample = entry, line
        count, end = count + 1, line.end
    # Batches on a GPU may differ in the last digits of a score.
    if sample is not None and provider == CPU_PROVIDER:
        entry, line = sample
        if again(entry) != line.line:
            raise InputError(
                f"{line.where}: its note has other results now: --resume needs the same model, options and notes"
            )
    failed.done_before = count
    say(f"clinspan: continuing after {counted(count, 'note')}")
    return end
