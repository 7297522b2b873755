"""Paths on which something goes wrong while a note is read, and the watch over them."""
