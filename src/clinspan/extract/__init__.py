"""Many notes in, one outcome for each."""
