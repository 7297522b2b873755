"""Ask for more certainty of some labels than of others.

usage: python thresholds.py NOTE.txt
"""

import sys
from collections import Counter
from pathlib import Path

from clinspan import Recognizer

note = Path(sys.argv[1]).read_bytes().decode("utf-8")
recognizer = Recognizer.load()
every = Counter(span.label for span in recognizer.recognize(note))
certain = recognizer.recognize(note, threshold={"PROBLEM": 0.9, "TREATMENT": 0.95})
kept = Counter(span.label for span in certain)
for label in recognizer.labels:
    print(f"{label:10} {every[label]:3} found, {kept[label]:3} kept")
