"""What people read: tables, plots and targets, made from `results/`."""
