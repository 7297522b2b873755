"""Exact entity spans from clinical notes of any length."""
