"""Models of any task, for commands and services that take all three."""
