"""Predicts with an ONNX file, by ONNX Runtime and without torch: https://onnxruntime.ai."""

import numpy as np
from numpy.typing import NDArray


def predict(file: bytes, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give logits and probabilities, float32 [N, 10], of images [N, 28, 28], ink light (255) on dark.

    On one thread. Raises ValueError without the package of the extra `export`, or for a file that `to_onnx` has not
    written.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ValueError(
            "ONNX files need packages that are not installed here: pip install 'tenfold[export]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a training process has one
    try:
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        logits, probabilities = session.run(["logits", "probabilities"], {"pixels": pixels})
    except Exception as error:  # what it raises has no name, and differs from release to release
        raise ValueError(f"this is no ONNX file of a network that was exported here: {error}") from error
    return logits, probabilities
