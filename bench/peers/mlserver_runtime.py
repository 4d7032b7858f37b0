"""MLServer: a custom runtime, asked by the Open Inference Protocol."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from bench.peers.network import load


class Runtime(MLModel):
    """The network as a model of MLServer."""

    async def load(self) -> bool:
        """Read the weights."""
        self._network = load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request, or several that MLServer has joined."""
        pixels = NumpyCodec.decode_input(payload.inputs[0])
        probabilities = self._network.probabilities(pixels)
        return InferenceResponse(
            model_name=self.name,
            outputs=[
                NumpyCodec.encode_output("probabilities", probabilities),
                NumpyCodec.encode_output("label", probabilities.argmax(axis=1, keepdims=True)),
            ],
        )
