"""Vectors and labels of short texts beside the libraries that people would use instead."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers import text_labels, vectors, whole_texts
from benchmarks.run.harness import Answer, ask, in_turn, medians, options_parser
from benchmarks.run.record import save


def embedding(arguments: Sequence[str]) -> None:
    """Measure texts a second, one text alone, the time to the first vector, memory, and how near the vectors are.

    python -m benchmarks embedding --bundle BUNDLE --checkpoint FOLDER --folder FOLDER --texts FILE

    The checkpoint is a folder of sentence-transformers; the folder is the same with onnx/model.onnx, which its
    `backend="onnx"` writes. FILE has JSON lines with `text`. The interpreter has all libraries; 2 minutes a round.
    """
    _compare("embedding", "vectors", list(vectors.VARIANTS), embedding.__doc__, arguments, folder=True)


def classification(arguments: Sequence[str]) -> None:
    """Measure texts or pairs a second, one alone, the time to the first labels, memory, and how near the scores are.

    python -m benchmarks classification --bundle BUNDLE --checkpoint CHECKPOINT --texts FILE

    FILE has JSON lines with `text`, and with `text_pair` where the model reads pairs; those too long for one window are
    left out, for the others would cut them. 2 minutes a round.
    """
    _compare("classification", "text_labels", list(text_labels.VARIANTS), classification.__doc__, arguments)


def _compare(
    question: str,
    kind: str,
    variants: list[str],
    description: str | None,
    arguments: Sequence[str],
    folder: bool = False,
) -> None:
    parser = options_parser(description, "bundle", "checkpoint", "threads", "rounds", "name")
    if folder:
        parser.add_argument("--folder", required=True, help="the checkpoint with onnx/model.onnx")
    parser.add_argument(
        "--texts", required=True, help="JSON lines with the field text, and perhaps text_pair"
    )
    parser.add_argument("--count", type=int, default=500, help="texts (default: %(default)s)")
    parser.add_argument("--longest", type=int, default=800, help="characters (default: %(default)s)")
    parser.add_argument("--variants", nargs="*", default=variants)
    options = parser.parse_args(arguments)
    with Path(options.texts).open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    parts = [[row[name] for name in ("text", "text_pair") if name in row] for row in rows]
    chosen = [texts for texts in parts if sum(map(len, texts)) <= options.longest][: options.count]
    place = {name: getattr(options, name) for name in ("bundle", "checkpoint", "threads")}
    if folder:
        place["folder"] = options.folder
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as work:
        shared = Path(work, "texts.jsonl")
        given = [json.dumps(texts if len(texts) > 1 else texts[0]) for texts in chosen]
        shared.write_text("\n".join(given), encoding="utf-8")
        files = {"kind": kind, "texts": str(shared), "reference": str(Path(work, "reference.npy"))}

        def answer(variant: str) -> Answer | None:
            environment = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(options.threads)}
            try:
                settings = {"variant": variant, **place, **files}
                return ask(whole_texts.measure, settings, environment=environment)
            except RuntimeError as error:
                print(f"  left out: {error}", file=sys.stderr)
                return None

        answers = in_turn(options.variants, options.rounds, answer)
    characters = sum(len(text) for texts in chosen for text in texts) / len(chosen)
    about = {"texts": Path(options.texts).name, "count": len(chosen), "characters": round(characters)}
    save(
        question,
        [{"variant": variant, **medians(found)} for variant, found in answers.items()],
        {
            **place,
            **({"folder": Path(options.folder).name} if folder else {}),
            "rounds": options.rounds,
            **about,
        },
        summary={"load_before": load, "load_after": os.getloadavg()[0]},
        name=options.name,
    )
