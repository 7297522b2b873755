"""From a fine-tuned clinical BERT to a quantized, verified ONNX bundle. Needs torch; the runtime does not."""

import os

# As the runtime does before it imports onnxruntime (`clinspan/session.py`): no usage events are kept or sent.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
