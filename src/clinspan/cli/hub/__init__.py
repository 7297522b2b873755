"""The command that brings a model from the Hub: the only one that opens connections."""
