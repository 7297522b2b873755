"""A model folder, from its path to a running model."""
