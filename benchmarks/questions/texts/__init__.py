"""Questions about models for whole texts."""
