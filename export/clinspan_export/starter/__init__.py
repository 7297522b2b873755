"""The recipe of the bundled starter model: its data, its synthetic text, its training and its measurement."""
