"""A weights file -> the same network for programs of others: ONNX, and an exported program of torch."""
