"""The errors behind scores: of which kinds, at which thresholds, and where in the text."""
