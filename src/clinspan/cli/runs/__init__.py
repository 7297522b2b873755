"""Shared by the commands that read many notes: their options, their progress, and how they resume."""
