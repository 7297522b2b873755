"""`clinspan-export CHECKPOINT OUT`: the options of an export, and the summary that it ends with."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from clinspan.bundle.integrity import whole_size
from clinspan.bundle.manifest import Bundle
from clinspan.bundle.tasks import TOKENS
from clinspan.cli.values import split_pairs
from clinspan.text.decode import AGGREGATIONS
from clinspan.text.labels import SCHEMES
from clinspan_export.cli.export_texts import add_text_options, run_text_export, text_summary
from clinspan_export.cli.pruning import add_pruning_options, check_pruning, pruned_line, run_pruned_export
from clinspan_export.cli.trust_flags import add_trust_options, trust_of
from clinspan_export.exporter import FILES, Overrides, check_extra, export
from clinspan_export.graphs.fp32 import EXPORTERS, check_exporter
from clinspan_export.quiet import Progress
from clinspan_export.texts.text_checkpoint import detect_task
from clinspan_export.verify.limits import Limits
from clinspan_export.verify.samples import OWN_SAMPLES, own_samples, read_samples
from clinspan_export.verify.tune_windows import MARGIN, read_tuning_notes
from clinspan_export.verify.verdict import Checks


def say(line: str) -> None:
    """Show a line of progress, on standard error and at once."""
    print(line, file=sys.stderr, flush=True)


def warn(line: str) -> None:
    """Show a line of progress only where it warns: what `--quiet` leaves."""
    if line.startswith("warning: "):
        say(line)


def parser(commands: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser of an export; `commands` are those that its help points to."""
    parser = argparse.ArgumentParser(
        prog="clinspan-export",
        description="Turn a fine-tuned checkpoint, for entities, texts or vectors, into a verified ONNX bundle.",
        epilog=f"Commands of their own, with their own --help: {', '.join(commands)}.",
    )
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="local folder or Hub id")
    add("out", metavar="OUT", help="folder to make")
    kept = "keep only this; repeatable (default: fp32 and int8)"
    add("--precision", action="append", choices=tuple(FILES), help=kept)
    seven = "let int8 weights keep to 7 bits, for processors without VNNI"
    add("--reduced-range", action="store_true", help=seven)
    exporter = "what writes the fp32 graph (torch); optimum needs the extra of that name"
    add("--exporter", choices=EXPORTERS, default=EXPORTERS[0], help=exporter)
    add("--force", action="store_true", help="replace OUT where it exists")
    add("--quiet", action="store_true", help="show warnings, and not how far the export is")
    _add_overrides(parser.add_argument_group("labels and windows"))
    _add_checks(parser.add_argument_group("your own notes, and limits on what may be lost"))
    add_pruning_options(parser.add_argument_group("a smaller model"))
    add_text_options(parser.add_argument_group("classifiers of texts, and encoders"))
    add_trust_options(parser.add_argument_group("trust"))
    parser.set_defaults(run=_run)
    return parser


def _add_overrides(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--scheme", choices=SCHEMES, help="how label names mark positions (default: detected)")
    add("--outside", help="label that means no entity (default: detected)")
    add(
        "--labels",
        metavar="NAME,...",
        help="names of all labels in the model's order (default: the checkpoint's)",
    )
    add("--entity", metavar="NAME", help="the entity of labels that are positions alone: B, I and O")
    renamed = "show an entity under another name; repeatable"
    add("--rename", action="append", default=[], metavar="ENTITY=NAME", help=renamed)
    add("--window", type=int, help="tokens that one run reads")
    add("--overlap", type=int, default=0, help="tokens that neighbouring windows share")
    decided = "how the tokens of a word decide its label (first)"
    add("--aggregation", choices=AGGREGATIONS, default="first", help=decided)
    add(
        "--whole-words",
        action="store_true",
        help="let the edges of spans follow the words of medication text",
    )
    add(
        "--tune",
        metavar="GOLD",
        help="take another window, overlap or aggregation where these annotated notes (.jsonl) show a higher F1",
    )
    margin = f"how far below the best F1 a faster setting may lie ({MARGIN:g})"
    add("--tune-margin", type=float, default=MARGIN, metavar="F1", help=margin)


def _add_checks(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    notes = "compare the models on these notes: .txt files, or JSON lines with text and perhaps entities"
    add("--notes", metavar="DIR|JSONL", help=notes)
    add("--min-agreement", type=float, metavar="F1", help="fail where fewer spans agree with PyTorch")
    add(
        "--max-f1-loss",
        type=float,
        metavar="F1",
        help="fail where more F1 is lost against the notes' entities",
    )
    seen = "let int8 and --prune look at these notes instead (default: those of --tune, or else of --notes)"
    add("--calibrate", metavar="DIR|JSONL", help=seen)
    add("--report", metavar="FILE", help="write the HTML report here too, even on failure")
    add("--show-text", action="store_true", help="let the HTML report quote the spans that differ")


def _run(options: argparse.Namespace) -> str:
    check_extra()
    check_exporter(options.exporter)
    trust = trust_of(options)
    precisions = options.precision or ("fp32", "int8")
    task = options.task or detect_task(options.checkpoint, trust)
    check_pruning(options, task)
    if task == TOKENS:
        return _summary(_export(options))
    return text_summary(run_text_export(options, precisions, trust, _progress(options)))


def _progress(options: argparse.Namespace) -> Progress:
    return warn if options.quiet else say


def _export(options: argparse.Namespace) -> Bundle:
    overrides = Overrides(
        scheme=options.scheme,
        outside=options.outside,
        entity=options.entity,
        labels=None if options.labels is None else options.labels.split(","),
        rename=split_pairs(options.rename, "--rename", "ENTITY=NAME"),
        window=options.window,
        overlap=options.overlap,
        aggregation=options.aggregation,
        exporter=options.exporter,
        whole_words=options.whole_words,
        reduced_range=options.reduced_range,
    )
    precisions, checks = options.precision or ("fp32", "int8"), _checks(options)
    if options.prune is not None:
        return run_pruned_export(options, precisions, checks, overrides, _progress(options))
    return export(
        options.checkpoint, options.out, precisions=precisions, checks=checks, overrides=overrides,
        trust=trust_of(options), force=options.force,
        progress=_progress(options),
    )  # fmt: skip


def _checks(options: argparse.Namespace) -> Checks:
    notes, tune = (None if path is None else Path(path) for path in (options.notes, options.tune))
    return Checks(
        samples=own_samples() if notes is None else read_samples(notes),
        source=OWN_SAMPLES if notes is None else notes.name,
        limits=Limits(options.min_agreement, options.max_f1_loss),
        calibrate_on=None if options.calibrate is None else read_samples(Path(options.calibrate)),
        tune_on=None if tune is None else read_tuning_notes(tune),
        tune_source="" if tune is None else tune.name,
        tune_margin=options.tune_margin,
        show_text=options.show_text,
        report=None if options.report is None else Path(options.report),
        files=tuple(path for path in (notes, tune) if path is not None),
    )


def _summary(bundle: Bundle) -> str:
    parity, evaluation = bundle.parity, bundle.evaluation
    sizes = ", ".join(f"{name} {whole_size(record) / 1e6:.1f} MB" for name, record in bundle.models.items())
    agreement = ", ".join(f"{name} {parity[name]['span_agreement_f1']:.3f}" for name in bundle.models)
    lines = [f"bundle      {bundle.path}", f"models      {sizes}"]
    lines += pruned_line(bundle)
    lines.append(f"windows     {_windows(bundle)}")
    lines.append(
        f"agreement   {agreement} of spans, against PyTorch on {parity['notes']} notes ({parity['source']})"
    )
    if evaluation:
        scores = ", ".join(f"{name} {evaluation[name]['f1']:.4f}" for name in ("torch", *bundle.models))
        lines.append(f"F1          {scores}, on {evaluation['notes']} annotated notes")
    lines.append(f"verdict     {_verdict(bundle)}")
    lines.append(f"report      {bundle.path / 'report.html'}")
    lines.append(f"next        clinspan extract --model {bundle.path} NOTE.txt")
    return "\n".join(lines)


def _windows(bundle: Bundle) -> str:
    setting = f"{bundle.window} tokens, overlap {bundle.overlap}, aggregation {bundle.aggregation}"
    if bundle.tuning:
        stays = ", the default stays" if bundle.tuning.get("default_stays") else ""
        return f"{setting}: tuned on {bundle.tuning['notes']} notes of {bundle.tuning['source']}{stays}"
    return f"{setting}: not tuned, --tune GOLD.jsonl says whether another has a higher F1"


def _verdict(bundle: Bundle) -> str:
    limits = [
        f"{name.replace('_', '-')} {value:g}"
        for name, value in bundle.parity["limits"].items()
        if value is not None
    ]
    exact = f"fp32 is the PyTorch model to within {bundle.parity['tolerance']:g} on every logit"
    unused = bundle.provenance.get("unused")
    if unused:
        exact += f", without {', '.join(unused)}, as --allow-unused says"
    if limits:
        return f"{exact}; every model is within {' and '.join(limits)}"
    rest = [name for name in bundle.models if name != "fp32"]
    return f"{exact}; no limit was set for {' and '.join(rest)}" if rest else exact
