"""Scores of labels that a model gave to whole texts, and how they are shown."""
