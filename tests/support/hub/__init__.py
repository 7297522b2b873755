"""A Hub on this machine."""
