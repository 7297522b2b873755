"""The ONNX graphs of a bundle, and the edits that make them."""
