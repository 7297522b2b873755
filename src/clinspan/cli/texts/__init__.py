"""The commands that answer for whole texts."""
