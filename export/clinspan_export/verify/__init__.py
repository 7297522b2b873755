"""Is it the same model, and what did quantization cost?"""
