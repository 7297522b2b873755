"""`clinspan-export distil`: a smaller checkpoint that answers like a larger one."""

from __future__ import annotations

import argparse
from pathlib import Path

from clinspan_export.checkpoint import Trust
from clinspan_export.cli.export import say
from clinspan_export.exporter import check_extra
from clinspan_export.verify.samples import read_samples


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `distil` to the command line."""
    parser = commands.add_parser("distil", help="train a student with fewer layers on a teacher's logits")
    add = parser.add_argument
    add("teacher", metavar="TEACHER", help="folder or Hub id of a token classification checkpoint")
    add("--layers", type=int, required=True, metavar="N", help="layers of the student")
    add("--notes", required=True, metavar="DIR|JSONL", help="notes to train on; annotations are not used")
    add("--out", required=True, metavar="CKPT", help="folder to make")
    add("--steps", type=int, default=2000, help="updates (2000)")
    add("--batch", type=int, default=8, help="windows that an update reads (8)")
    add("--learning-rate", type=float, default=1e-4, help="highest rate of the schedule (1e-4)")
    add("--device", default="cpu", help="cpu or cuda (cpu)")
    add("--revision", metavar="COMMIT", help="commit, tag or branch of a Hub id (default: the newest)")
    parser.set_defaults(run=_distil)


def _distil(options: argparse.Namespace) -> str:
    check_extra()
    from clinspan_export.train.distil import Distilling, distil

    out = Path(options.out)
    how = Distilling(options.steps, options.batch, options.learning_rate, device=options.device)
    notes = read_samples(Path(options.notes))
    trust = Trust(options.revision)
    distil(options.teacher, out, notes, layers=options.layers, how=how, trust=trust, progress=say)
    return f"student     {out}, {options.layers} layers\nnext        clinspan-export {out} BUNDLE"
