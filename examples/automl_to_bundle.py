"""AutoML's training file becomes a bundle, and the bundle answers. Needs the extras export and train.

usage: python automl_to_bundle.py TRAIN.jsonl DEV.jsonl BUNDLE [options of clinspan-export train-bundle]
"""

import sys

from clinspan import Recognizer
from clinspan_export.cli.main import main

if __name__ == "__main__":
    train, dev, bundle, *options = sys.argv[1:]
    if code := main(["train-bundle", train, "--dev", dev, "--out", bundle, *options]):
        sys.exit(code)
    print(Recognizer.load(bundle).labels)
