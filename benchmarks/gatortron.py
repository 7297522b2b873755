"""Throughput at GatorTron's size: MegatronBert, 24 layers, hidden size 1024, 354 million parameters, random weights.

    python -m benchmarks.gatortron --tokenizer CHECKPOINT --notes DIR --work DIR

CHECKPOINT lends its tokenizer. WORK keeps the checkpoint and its bundle (2.2 GB) for the next time; making them takes about
4 minutes and 6 GB of memory, a round with every tenth note 1.5 minutes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness import compare

VARIANTS = ("clinspan int8", "clinspan fp32", "transformers fp32", "transformers bf16", "optimum int8")


def main() -> None:
    """Make the model where it is not there yet, and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokenizer", required=True, help="checkpoint with a WordPiece tokenizer")
    parser.add_argument("--notes", required=True, help="folder of .txt notes")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, nargs="+", default=[2])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--every", type=int, default=10, help="read every so many-th note")
    parser.add_argument("--layers", type=int, default=24, help="fewer only to try whether it runs")
    parser.add_argument("--variants", nargs="*", default=VARIANTS)
    parser.add_argument("--python", action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--name", default="throughput_gatortron")
    options = parser.parse_args()
    options.checkpoint = str(options.work / f"checkpoint-{options.layers}")
    options.bundle = str(options.work / f"bundle-{options.layers}")
    if not Path(options.checkpoint).is_dir():
        make_checkpoint(Path(options.checkpoint), options.tokenizer, options.layers)
    if not Path(options.bundle).is_dir():
        from clinspan_export.export import export

        export(
            options.checkpoint,
            Path(options.bundle),
            precisions=("fp32", "int8"),
            progress=lambda line: print(f"  {line}", file=sys.stderr),
        )
    compare("throughput", options, every=options.every, layers=options.layers)


def make_checkpoint(folder: Path, tokenizer: str, layers: int) -> None:
    """A checkpoint of that shape with random weights and 15 labels."""
    import torch
    from transformers import AutoTokenizer, MegatronBertConfig, MegatronBertForTokenClassification

    from benchmarks.export_table import FULL_SIZE
    from benchmarks.serverless import ENTITIES

    names = ["O", *(f"{prefix}-{entity}" for entity in ENTITIES for prefix in "BI")]
    settings: dict[str, Any] = {**FULL_SIZE["megatron-bert"][1], "num_hidden_layers": layers}
    torch.manual_seed(0)
    config = MegatronBertConfig(
        id2label=dict(enumerate(names)),
        label2id={name: number for number, name in enumerate(names)},
        **settings,
    )
    MegatronBertForTokenClassification(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tokenizer, model_max_length=512).save_pretrained(folder)


if __name__ == "__main__":
    main()
