"""A recognizer for Microsoft Presidio's analyzer (the extra `presidio`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clinspan.errors import MissingDependencyError, installing
from clinspan.recognizer import Recognizer


def presidio_recognizer(
    recognizer: Recognizer, *, labels: Mapping[str, str] | None = None, language: str = "en"
) -> Any:
    """Make a Presidio `EntityRecognizer`: `AnalyzerEngine(...).registry.add_recognizer(presidio_recognizer(...))`.

    Args:
        recognizer: a loaded model.
        labels: Presidio's name for each label that is asked for; None for all labels under their own names.
        language: that the model reads.

    Raises:
        MissingDependencyError: presidio-analyzer is not installed.
    """
    try:
        from presidio_analyzer import EntityRecognizer, RecognizerResult
    except ImportError as error:
        raise MissingDependencyError(f"this needs presidio-analyzer: {installing('presidio')}") from error
    names = {label: label for label in recognizer.labels} if labels is None else dict(labels)

    class ClinspanRecognizer(EntityRecognizer):  # type: ignore[misc]
        """Finds what a clinspan model finds; the model is already loaded."""

        def load(self) -> None:
            """Load nothing."""

        def analyze(self, text: str, entities: Sequence[str], nlp_artifacts: object = None) -> list[Any]:
            """Find those of the entities that the model knows."""
            return [
                RecognizerResult(names[span.label], span.start, span.end, span.score)
                for span in recognizer.recognize(text)
                if span.label in names and (not entities or names[span.label] in entities)
            ]

    return ClinspanRecognizer(
        supported_entities=sorted(set(names.values())), name="clinspan", supported_language=language
    )
