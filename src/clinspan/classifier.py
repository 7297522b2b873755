"""Score the labels of texts: load, call, pipe, close. `texts.py` tells what happens to a text in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from clinspan.bundle.load_options import LoadOptions
from clinspan.bundle.loading import Loaded, load, origin_of
from clinspan.bundle.tasks import TEXTS
from clinspan.engine.calls import Call
from clinspan.engine.model import Logits
from clinspan.errors import InputError
from clinspan.options import check_texts
from clinspan.report import LoadedModel
from clinspan.text.decode import Threshold, score_limits
from clinspan.text.merge import LabelScore, Scoring, label_scores, merge_logits
from clinspan.texts import (
    Cut,
    Job,
    Text,
    TokenizedText,
    by_text,
    checked_text,
    cut_of,
    job_content,
    job_text_number,
    text_jobs,
    tokenize_text,
)


class Classifier(LoadedModel):
    """Scores the labels of texts of any length, or of pairs of texts. Make one with `Classifier.load`.

    One classifier may be shared by many threads. The same text gives the same scores, to the bit, alone or
    among any others, as long as it runs on CPU.
    """

    _task = TEXTS

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        assert isinstance(loaded.bundle.head, Scoring)  # `load` saw to it
        self._scoring = loaded.bundle.head
        self._cut = cut_of(loaded.bundle.window, loaded.bundle.overlap, loaded.tokenizer)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        device: str | None = None,
        precision: str | None = None,
        threads: int | None = None,
        window: int | None = None,
        overlap: int | None = None,
        options: LoadOptions | None = None,
    ) -> Classifier:
        """Load a model folder.

        Args:
            path: a bundle or any ONNX text classification folder.
            device: as in `LoadOptions`, like the next four; what is given here wins over `options`.
            precision: of the weights.
            threads: cores to use.
            window: tokens that one run reads.
            overlap: tokens that neighbouring windows share.
            options: everything else that can be set.

        Raises:
            BundleError, DeviceError, InputError, MissingDependencyError: as `Recognizer.load`.
        """
        given = {"device": device, "precision": precision, "threads": threads}
        return cls(load(origin_of(path, options, window=window, overlap=overlap, **given), TEXTS))

    def classify(
        self,
        text: Text,
        *,
        threshold: Threshold = 0.0,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[LabelScore]:
        """Score the labels of one text or pair, from all its windows.

        Args:
            text: of any length; or two, of which the first is kept whole beside each window of the second.
            threshold: leave out labels that score less; a probability, or one per label name.
            truncate: read only what fits one window, cut as transformers' `truncation=True` cuts it.
            timeout: seconds from this call after which no further window is started; None for no limit.

        Returns:
            The labels, the highest score first; `chosen` says which of them the model decides for.

        Raises:
            InputError: it is not a text or a pair, the first text of a pair fills a window, or an option is unknown.
            InferenceError: the model's answer cannot be used.
            DeadlineError: the timeout passed before the whole text was read.
            ClosedError: the classifier was closed before or meanwhile.
        """
        return self._classify(text, threshold, truncate, self._begin(threshold, timeout))

    def _classify(self, text: Text, threshold: Threshold, truncate: bool, call: Call) -> list[LabelScore]:
        tokenized = self._read(text, 0, truncate, call)
        if len(tokenized.windows) != 1:
            return next(self._pipe(iter([tokenized]), threshold, call))
        return self._score(tokenized, [self._runner.run_alone(tokenized.windows[0], call)], threshold)

    async def aclassify(
        self,
        text: Text,
        *,
        threshold: Threshold = 0.0,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[LabelScore]:
        """Score the labels of one text without blocking the event loop.

        As `classify`, on a thread of the classifier's own, four calls per core at once. Cancelling the task
        that awaits it stops the work before the next window.
        """
        from clinspan.engine.asynchronous import (
            result_of,  # asyncio: the caller has it, others need not pay for it
        )

        call = self._begin(threshold, timeout)
        try:
            work = partial(self._classify, text, threshold, truncate, call)
            return await result_of(self._runner.callers, work)
        finally:
            call.given_up = True

    def pipe(
        self,
        texts: Iterable[Text],
        *,
        threshold: Threshold = 0.0,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> Iterator[list[LabelScore]]:
        """Score the labels of many texts or pairs, lazily, in order, in bounded memory.

        Args:
            texts: any iterable; drawn as results are taken, a few texts ahead.
            threshold: as in `classify`.
            truncate: as in `classify`.
            timeout: seconds from this call, for all texts together, after which no further window is
                started; texts that are complete by then are still given.

        Yields:
            The labels of each text, the highest score first.

        Raises:
            InputError, InferenceError, DeadlineError, ClosedError: as in `classify`, in the text's turn,
                after the results of the texts before it; its number is in the message.
        """
        call = self._begin(threshold, timeout)
        check_texts("texts", texts, "classify")
        read = (self._read(text, number, truncate, call) for number, text in enumerate(texts))
        return self._pipe(read, threshold, call)

    def _begin(self, threshold: Threshold, timeout: float | None) -> Call:
        """Check the options of a call at once, not when the first result is taken."""
        call = self._runner.begin(timeout)
        score_limits(threshold, self._scoring.names)
        return call

    def _read(self, text: Text, number: int, truncate: bool, call: Call) -> TokenizedText:
        checked = checked_text(text, number, self._loaded.max_characters)
        if self._scoring.pairs and isinstance(checked, str):
            raise InputError("it is one text, and the model reads two: pass a pair of texts", note=number)
        cut = Cut(self._cut.cutting, self._cut.frame, truncate)
        between = partial(call.check, number)
        return tokenize_text(checked, self._loaded.tokenizer, cut, number=number, between=between)

    def _pipe(
        self, texts: Iterator[TokenizedText], threshold: Threshold, call: Call
    ) -> Iterator[list[LabelScore]]:
        def finish(_: Job, logits: Logits) -> Logits:
            return logits

        runs = self._runner.run(
            text_jobs(texts), ids=job_content, note=job_text_number, finish=finish, call=call
        )
        for text, logits in by_text(runs):
            yield self._score(text, logits, threshold)

    def _score(self, text: TokenizedText, logits: list[Logits], threshold: Threshold) -> list[LabelScore]:
        scores = label_scores(merge_logits(logits, text.tokens, self._scoring), self._scoring)
        if threshold == 0:
            return scores
        limits = dict(zip(self.labels, score_limits(threshold, self.labels), strict=True))
        return [one for one in scores if one.score >= limits[one.label]]

    @property
    def reads_pairs(self) -> bool:
        """Whether the model takes pairs of texts and nothing else."""
        return self._scoring.pairs

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in the model's order."""
        return self._scoring.names

    @property
    def problem(self) -> str:
        """One label of several (`single-label`), any number of labels (`multi-label`), or a number (`regression`)."""
        return self._scoring.problem

    def _size(self) -> str:
        return f"{len(self.labels)} labels"
