"""Pure numpy between a note and its spans."""
