"""Checkpoints trained on purpose, to see what their export keeps."""
