"""Which words of a note mean what: the cue files, and the search for their phrases."""
