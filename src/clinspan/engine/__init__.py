"""What runs a window: onnxruntime, threads, cores."""
