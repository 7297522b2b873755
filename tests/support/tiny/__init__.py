"""Bundles of a few kilobytes for the tasks beside entities."""
