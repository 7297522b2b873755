"""The exporter's command line: one file per command."""
