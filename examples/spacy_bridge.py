"""clinspan as a component of a spaCy pipeline, with what the note says of each entity. Needs spaCy.

usage: python spacy_bridge.py
"""

import spacy

nlp = spacy.blank("en")
nlp.add_pipe("clinspan", config={"clinical": True})
doc = nlp("Denies fever. Start apixaban 5 mg by mouth twice daily for 3 months.")
for ent in doc.ents:
    print(ent.label_, ent.text, "denied" if ent._.clinspan_assertion["negated"] else "")
