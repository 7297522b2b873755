"""One file for each question, or a few that are asked alike; `python -m benchmarks NAME` asks one."""

from __future__ import annotations

from typing import NamedTuple


class Question(NamedTuple):
    """Where a question is asked, and what it is.

    Attributes:
        module: of this package.
        function: of the module, called with the command line's arguments; returns the exit status, or None.
        options: of its command, the least that it needs.
        asks: the question.
    """

    module: str
    function: str
    options: str
    asks: str


_PEERS = "--bundle BUNDLE --checkpoint CHECKPOINT --notes DIR"
QUESTIONS = {
    "headline": Question(
        "comparison",
        "headline",
        "--work DIR",
        "How fast is it, beside what people would use instead? (makes its own model and notes)",
    ),
    "throughput": Question(
        "comparison",
        "throughput",
        _PEERS,
        "How fast are long notes read, beside what people would use instead?",
    ),
    "latency": Question(
        "comparison", "latency", _PEERS, "How long does one text take, short, typical or long?"
    ),
    "coldstart": Question(
        "comparison", "coldstart", _PEERS, "How soon after its start does a process have its first spans?"
    ),
    "memory": Question("comparison", "memory", _PEERS, "How much memory does a process take?"),
    "gatortron": Question(
        "comparison",
        "gatortron",
        "--tokenizer CHECKPOINT --notes DIR --work DIR",
        "How fast is a model of 354 million parameters?",
    ),
    "gpu": Question(
        "gpu", "main", _PEERS, "How fast is it on an NVIDIA GPU, and how far from the CPU's answers?"
    ),
    "embedding": Question(
        "texts.beside_others",
        "embedding",
        "--bundle BUNDLE --checkpoint FOLDER --folder FOLDER --texts FILE",
        "How fast are short texts turned into vectors, beside what people would use instead?",
    ),
    "classification": Question(
        "texts.beside_others",
        "classification",
        "--bundle BUNDLE --checkpoint CHECKPOINT --texts FILE",
        "How fast are the labels of short texts and pairs scored, beside what people would use instead?",
    ),
    "growth": Question(
        "growth",
        "main",
        "--notes DIR",
        "How do time and memory grow with a note, and with the number of notes?",
    ),
    "overhead": Question(
        "window_time", "overhead", "--notes DIR", "How much time passes outside onnxruntime?"
    ),
    "peak": Question(
        "window_time",
        "peak",
        "--bundle BUNDLE",
        "How much of onnxruntime's own int8 speed does a window get?",
    ),
    "effects": Question(
        "choices", "effects", "--bundle BUNDLE --notes DIR --work DIR", "What is each default worth?"
    ),
    "reuse": Question(
        "choices", "reuse", "--bundle BUNDLE", "What does `reuse` gain on notes that copy each other?"
    ),
    "verify": Question("choices", "verify", "", "What do the checks on load cost?"),
    "quality": Question(
        "quality", "main", "NAME CHECKPOINT BUNDLE DEV TEST", "What do int8 and windows do to F1?"
    ),
    "quantization": Question(
        "quantization",
        "main",
        "CHECKPOINT --notes DIR --gold FILE",
        "What does each step of quantization keep and cost?",
    ),
    "pruning": Question(
        "smaller.pruning",
        "main",
        "CHECKPOINT --calibrate TRAIN --dev DEV --test TEST --work DIR",
        "What does a pruned model gain in speed and lose in F1, trained again or not?",
    ),
    "starter": Question("starter", "main", "CORPORA BUNDLE", "What does the starter model get right?"),
    "architectures": Question(
        "architectures", "main", "", "What does the export of each architecture take and give?"
    ),
    "exporters": Question(
        "architectures", "exporters", "", "Do both exporters give the model of PyTorch, for every family?"
    ),
    "crf": Question(
        "checkpoints.crf",
        "main",
        "CORPORA --work DIR",
        "Does the bundle of a trained BERT-CRF find the spans of its original?",
    ),
    "serverless": Question(
        "serverless", "main", "--work DIR", "How soon does a function answer, and how large is it?"
    ),
    "soak": Question("soak", "main", "", "Is any answer wrong or lost while faults are made on purpose?"),
    "assertion": Question(
        "clinical", "assertion", "CORPORA --peers DIR", "Is what a note says of its findings read right?"
    ),
    "regimens": Question("clinical", "regimens", "CORPORA --peers DIR", "Does every dose find its drug?"),
    "labels_kept": Question(
        "texts.same_answers",
        "main",
        "CHECKPOINT BUNDLE TEST",
        "Does a classifier's bundle answer as transformers does, and what does int8 change?",
    ),
}
