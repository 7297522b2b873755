"""Running windows: onnxruntime, threads, cores."""
