"""Turns a fine-tuned clinical BERT into a verified ONNX bundle; needs the `export` extra."""
