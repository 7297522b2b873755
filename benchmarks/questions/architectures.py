"""Cost and results of an export, for each architecture at full size.

Each architecture gets random weights at its real size (quality is for trained models; sizes, times and the
equality of the graphs are not about the weights) and two processes of its own: one exports, so that its
peak memory is the export's, and one measures speed, PyTorch fp32 and int8 in turn on the same windows.

    python -m benchmarks architectures [NAME]... [--threads N]
    python -m benchmarks exporters           # every family, tiny, by each exporter that is installed
    python -m benchmarks tables --write      # then writes docs/evidence/architectures.md too
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from tests.support import tiny_checkpoints

from benchmarks.run import usage
from benchmarks.run.harness import Answer, ask, options_parser
from benchmarks.run.models import FULL_SIZE
from benchmarks.run.record import rows, save
from clinspan_export.graphs.fp32 import EXPORTERS


def main(arguments: Sequence[str]) -> None:
    """Measure what is asked for, write each row as soon as it is known; other rows stay as they were."""
    parser = options_parser(__doc__, "threads", "rounds")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FULL_SIZE)} (default: all)")
    options = parser.parse_args(arguments)
    settings = {"threads": options.threads, "rounds": options.rounds, "weights": "random"}
    for name in options.names or FULL_SIZE:
        row = _measure(name, settings)
        try:
            known = rows("architectures", "architecture")
        except LookupError:
            known = {}
        known[name] = row
        save("architectures", [known[name] for name in FULL_SIZE if name in known], settings)


def exporters(arguments: Sequence[str]) -> None:
    """Export a tiny model of every family by each exporter that is installed; a file for each transformers."""
    options_parser(__doc__).parse_args(arguments)
    ways = EXPORTERS if find_spec("optimum") else EXPORTERS[:1]
    major, answers = version("transformers").split(".")[0], []
    for family in tiny_checkpoints.ARCHITECTURES:
        if family in tiny_checkpoints.NEWER and int(major) < 5:
            continue
        with tempfile.TemporaryDirectory() as work:
            source = tiny_checkpoints.save(Path(work, "checkpoint"), family)
            for way in ways:
                print(f"{family}: {way}", file=sys.stderr, flush=True)
                answers.append(
                    {
                        "family": family.replace("-", "_"),
                        "exporter": way,
                        **_compared(source, Path(work, way), way),
                    }
                )
    save("exporters", answers, {"weights": "random"}, name=f"exporters_transformers_{major}")


def _compared(source: Path, out: Path, exporter: str) -> Answer:
    from clinspan_export import Checks, export
    from clinspan_export.exporter import Overrides
    from clinspan_export.verify.samples import own_samples

    checks = Checks(samples=own_samples())
    parity = export(str(source), out, checks=checks, overrides=Overrides(exporter=exporter)).parity
    return {
        "max_logit_difference": parity["fp32"]["max_logit_difference"],
        "int8_span_agreement_f1": parity["int8"]["span_agreement_f1"],
        "spans": parity["fp32"]["spans_torch"],
    }


def _measure(name: str, settings: Answer) -> Answer:
    kind, size = FULL_SIZE[name]
    tiny = tiny_checkpoints.ARCHITECTURES[kind]
    row: Answer = {"architecture": name}
    with tempfile.TemporaryDirectory() as work:
        tiny_checkpoints.write(
            Path(work, "checkpoint"), tiny_checkpoints.Kind(tiny.model, tiny.tokenizer, size)
        )
        for step in (export, speed):
            print(f"{name}: {step.__name__}", file=sys.stderr, flush=True)
            row |= ask(step, {**settings, "work": work}, environment={"PYTHONWARNINGS": "ignore"})
    return row


def export(settings: Answer) -> Answer:
    """Export the checkpoint in all precisions."""
    import torch

    from clinspan_export import export

    torch.set_num_threads(settings["threads"])
    work = Path(settings["work"])
    began = time.perf_counter()
    bundle = export(str(work / "checkpoint"), work / "bundle", precisions=("fp32", "int8", "fp16"))
    seconds = time.perf_counter() - began
    return {
        "parameters": bundle.provenance["parameters"],
        "export_s": round(seconds, 1),
        "peak_memory_mib": round(usage.peak() * 1e6 / 2**20),
        "size_mb": {precision: round(file.size / 1e6, 1) for precision, file in bundle.models.items()},
        "max_logit_difference": {p: bundle.parity[p]["max_logit_difference"] for p in bundle.models},
        "span_agreement_f1": {p: bundle.parity[p]["span_agreement_f1"] for p in bundle.models},
        "spans": bundle.parity["fp32"]["spans_torch"],
    }


def speed(settings: Answer) -> Answer:
    """Time PyTorch fp32 and our int8 in turn, on the same windows and one thread, in seconds of CPU time.

    Wall time on a machine that others use says more about them than about either side.
    """
    import torch

    from clinspan import Recognizer
    from clinspan.bundle.manifest import open_bundle
    from clinspan_export import checkpoint as checkpoints
    from clinspan_export.verify.compare import torch_reference
    from clinspan_export.verify.samples import own_samples, unannotated

    torch.set_num_threads(1)
    work = Path(settings["work"])
    loaded = checkpoints.load(str(work / "checkpoint"))
    bundle = open_bundle(work / "bundle")
    recognizer = Recognizer.load(work / "bundle", precision="int8", threads=1)
    note = [unannotated("all", "\n\n".join(sample.text for sample in own_samples()[:4]))]
    theirs, ours = [], []
    for turn in range(settings["rounds"] + 1):
        began = time.process_time()
        torch_reference(loaded.model, bundle, note)
        middle = time.process_time()
        recognizer.recognize(note[0].text)
        end = time.process_time()
        if turn:  # the first turn warms both up
            theirs.append(middle - began)
            ours.append(end - middle)
    ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
    return {
        "torch_fp32_cpu_s": round(statistics.median(theirs), 3),
        "int8_cpu_s": round(statistics.median(ours), 3),
        "int8_speedup": round(statistics.median(ratios), 2),
        "int8_speedup_rounds": [round(ratio, 2) for ratio in ratios],
    }
