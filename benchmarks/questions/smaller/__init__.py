"""Questions on smaller models: speed gained, F1 lost."""
