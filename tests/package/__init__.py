"""One package, so that its conftest and helpers clash with no other folder's."""
