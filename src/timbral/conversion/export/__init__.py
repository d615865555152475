"""Export of networks to ONNX graphs: tracing, precision, variants of the KV cache, shared weight files."""
