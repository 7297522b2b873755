"""Codes of whole notes, however long, by a classifier of your own, such as one for ICD chapters.

usage: python classify_long_notes.py BUNDLE NOTE.txt ...
"""

import sys
from pathlib import Path

from clinspan import Classifier

bundle, *paths = sys.argv[1:]
texts = [Path(path).read_bytes().decode("utf-8") for path in paths]
with Classifier.load(bundle) as classifier:
    for path, labels in zip(paths, classifier.pipe(texts), strict=True):
        chosen = [f"{label.label} {label.score:.2f}" for label in labels if label.chosen]
        print(Path(path).name, ", ".join(chosen) or "no label", sep="\t")
