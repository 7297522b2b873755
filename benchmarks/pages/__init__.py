"""The tables, plots and targets that people read, made from `results/`."""
