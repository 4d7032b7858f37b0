"""The endpoint that anybody would write: FastAPI, a pydantic model of the body, and the network in torch.

It answers on the event loop, which spares it the way to a thread and back.
"""

import itertools
import os
from pathlib import Path

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from safetensors.torch import load_file
from torch import nn

from bench.peers.network import HOST, port
from models.inference import metadata

app = FastAPI()
torch.set_num_threads(1)  # one image is too little to be divided


class Asked(BaseModel):
    """One image."""

    image: list[list[float]]


class Answer(BaseModel):
    """What was read."""

    digit: int
    probabilities: list[float]


def build(path: Path) -> nn.Sequential:
    """Build the MLP of a weights file, from pixels to logits."""
    tensors, about = load_file(path), metadata(path.read_bytes())
    layers: list[nn.Module] = []
    sizes = (784, *about["hidden_sizes"], 10)
    for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes), start=1):
        linear = nn.Linear(inputs, outputs)
        linear.load_state_dict({name: tensors[f"linear{number}.{name}"] for name in ("weight", "bias")})
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).eval()


PATH = Path(os.environ["PEER_WEIGHTS"])
NETWORK, ABOUT = build(PATH), metadata(PATH.read_bytes())
MEAN, DEVIATION = float(ABOUT["mean"]), float(ABOUT["deviation"])


@app.post("/predict")
async def predict(asked: Asked) -> Answer:
    """Read one digit."""
    with torch.inference_mode():
        x_BD = (torch.tensor(asked.image).reshape(1, 784) - MEAN) / DEVIATION
        row_C = NETWORK(x_BD).softmax(dim=1)[0]
    return Answer(digit=int(row_C.argmax()), probabilities=row_C.tolist())


if __name__ == "__main__":
    uvicorn.run(app, host=HOST, port=port(), access_log=False, log_level="warning")
