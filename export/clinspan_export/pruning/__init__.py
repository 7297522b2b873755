"""Take neurons and attention heads out of a fine-tuned checkpoint, without training it again."""
