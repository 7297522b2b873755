"""A data frame of notes becomes one of findings, a row each, with what the note says of them. Needs pandas.

usage: python data_frame.py NOTES.jsonl
"""

import sys

import pandas

from clinspan import Recognizer
from clinspan.clinical import assertions
from clinspan.interop import tables

frame = pandas.read_json(sys.argv[1], lines=True, dtype={"id": str})
pairs = ((text, (name, text)) for name, text in zip(frame["id"], frame["text"], strict=True))
rows = []
for spans, (name, note) in Recognizer.load().pipe(pairs, as_tuples=True):
    rows += tables.rows(name, note, spans, assertions=assertions(note, spans))
found = pandas.DataFrame(rows)
print(found.groupby("label")["negated"].agg(["size", "sum"]).to_string())
