"""The story of a text that is judged as a whole, or of a pair of texts: tokens, windows, numbers of each, one answer.

Every window of a long text is read. Of a pair the first text stands whole in front of every window of the second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from clinspan.engine.calls import Waiting
from clinspan.engine.model import Content
from clinspan.errors import InputError
from clinspan.pipeline import Cutting
from clinspan.text.merge import LabelScore, Scoring, label_scores, merge_logits
from clinspan.text.pairs import PairIds, longest_first
from clinspan.text.tokenizer import Tokenizer
from clinspan.text.windows import Window, plan

# A text, or two that are read together.
Text = str | tuple[str, str]
Floats = npt.NDArray[np.float32]
Result = TypeVar("Result")

# Tokens of the second text of a pair that a window must have room for, beside the whole first one.
LEAST_SECOND = 32


@dataclass(frozen=True, slots=True)
class Cut:
    """How texts are cut into windows.

    Attributes:
        cutting: windows of a single text; those of a pair hold as many tokens with their special tokens.
        frame: special tokens of a pair beyond those of a single text.
        truncate: read the first window only, as transformers' `truncation=True` cuts it.
    """

    cutting: Cutting
    frame: int = 0
    truncate: bool = False


def cut_of(window: int, overlap: int, tokenizer: Tokenizer) -> Cut:
    """How texts and pairs are cut for a model that reads `window` tokens of a single text at once."""
    single = len(tokenizer.prefix) + len(tokenizer.suffix)
    return Cut(Cutting(window, overlap), frame=len(tokenizer.pair_frame()) - single)


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """A text ready to be run.

    Attributes:
        windows: what each run reads; one at least, if only of special tokens.
        tokens: that each window answers for.
        number: of the text among those of a call.
    """

    windows: Sequence[Content]
    tokens: Sequence[int]
    number: int = 0


def label_text(
    text: Text, tokenizer: Tokenizer, run: Callable[[Content], Floats], cut: Cut, scoring: Scoring
) -> list[LabelScore]:
    """Score the labels of a text: the whole story, one window after the other."""
    tokenized = tokenize_text(text, tokenizer, cut)
    logits = [run(window) for window in tokenized.windows]
    return label_scores(merge_logits(logits, tokenized.tokens, scoring), scoring)


def checked_text(text: object, number: int, longest: int) -> Text:
    """The text, or the pair, if it is one that is read.

    Raises:
        InputError: it is something else, or longer than `longest` characters.
    """
    if isinstance(text, str):
        parts = [text]
    elif isinstance(text, tuple | list) and len(text) == 2 and all(isinstance(part, str) for part in text):
        parts = list(text)
    else:
        raise InputError(
            f"it is a {type(text).__name__}: expected a str, or two of them for a pair", note=number
        )
    for part in parts:
        if len(part) > longest:
            raise InputError(
                f"it has {len(part):,} characters, and at most {longest:,} are read: "
                "cut it, or allow more with LoadOptions(max_characters=...)",
                note=number,
            )
    return parts[0] if len(parts) == 1 else (parts[0], parts[1])


def tokenize_text(
    text: Text,
    tokenizer: Tokenizer,
    cut: Cut,
    *,
    number: int = 0,
    between: Callable[[], None] = lambda: None,
) -> TokenizedText:
    """Turn a text or a pair into what the model's runs read; `between` is called before each piece of a long text.

    Raises:
        InputError: the first text of a pair leaves no room for the second.
    """
    if not isinstance(text, str):
        return _tokenize_pair(text, tokenizer, cut, number, between)
    encoding = tokenizer.encode(text, between=between)
    if cut.truncate:
        ids = encoding.ids[: cut.cutting.window]
        return TokenizedText([ids], [len(ids)], number)
    windows = _plan(encoding.cuts, cut.cutting)
    return TokenizedText([encoding.ids[w.start : w.stop] for w in windows], _owned(windows), number)


def _tokenize_pair(
    pair: tuple[str, str], tokenizer: Tokenizer, cut: Cut, number: int, between: Callable[[], None]
) -> TokenizedText:
    first, second = (tokenizer.encode(text, between=between) for text in pair)
    room = cut.cutting.window - cut.frame
    if cut.truncate:
        kept = longest_first(len(first), len(second), room)
        ids = PairIds(first.ids[: kept[0]], second.ids[: kept[1]])
        return TokenizedText([ids], [len(ids)], number)
    left = room - len(first)
    if left < min(len(second), LEAST_SECOND) or left < 1:
        raise InputError(
            f"the first text of the pair has {len(first)} tokens, and a window holds {room}: expected "
            f"room for {LEAST_SECOND} of the second; give the longer text second, or ask for truncate=True",
            note=number,
        )
    overlap = min(cut.cutting.overlap, left - 1)
    windows = _plan(second.cuts, Cutting(left, overlap, cut.cutting.sections))
    contents = [PairIds(first.ids, second.ids[w.start : w.stop]) for w in windows]
    return TokenizedText(contents, _owned(windows), number)


def _plan(cuts: npt.NDArray[np.int8], cutting: Cutting) -> Sequence[Window]:
    """The windows of a text; an empty one where it has no tokens, for the model has an answer to that too."""
    windows = plan(cuts, window=cutting.window, overlap=cutting.overlap, sections=cutting.sections)
    return windows or [Window(0, 0, 0, 0)]


def _owned(windows: Sequence[Window]) -> list[int]:
    return [w.own_stop - w.own_start for w in windows]


# A text and the number of one of its windows.
Job = tuple[TokenizedText, int]


def text_jobs(texts: Iterable[TokenizedText]) -> Iterator[Job]:
    """The windows of texts, in order, drawn as they are needed."""
    for text in texts:
        for window in range(len(text.windows)):
            yield text, window


def job_content(job: Job) -> Content:
    """The tokens that a job's window reads."""
    text, window = job
    return text.windows[window]


def job_text_number(job: Job) -> int:
    """Number of a job's text among those of the call."""
    return job[0].number


def by_text(results: Iterable[tuple[Job, Result | None]]) -> Iterator[tuple[TokenizedText, list[Result]]]:
    """Gather what the windows of each text gave, as soon as its last one is there."""
    found: list[Result] = []
    waiting = Waiting()
    for (text, window), result in results:
        assert result is not None  # every window of a text has an answer
        found.append(result)
        waiting.window(text.number, len(found), len(text.windows))
        if window == len(text.windows) - 1:
            yield text, found
            found = []
