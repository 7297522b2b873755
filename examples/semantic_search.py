"""Find the notes whose meaning is nearest to a question, with an encoder of your own.

usage: python semantic_search.py BUNDLE QUESTION NOTE.txt ...
"""

import sys
from pathlib import Path

from clinspan import Embedder

bundle, question, *paths = sys.argv[1:]
with Embedder.load(bundle) as embedder:
    notes = embedder.embed((Path(path).read_bytes().decode("utf-8") for path in paths), normalize=True)
    (asked,) = embedder.embed([question], normalize=True)
nearness = notes @ asked  # cosines, since every vector has length 1
for place in (-nearness).argsort()[:3]:
    print(f"{nearness[place]:.3f}", Path(paths[place]).name)
