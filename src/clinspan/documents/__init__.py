"""Annotated documents in other people's formats, and scores against them."""
