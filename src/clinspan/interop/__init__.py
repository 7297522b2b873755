"""Spans in other people's shapes, one file for each. What a file needs is imported only when it is called."""
