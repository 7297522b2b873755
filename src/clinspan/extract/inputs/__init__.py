"""Files of every kind that notes come in, each read into entries."""
