"""A network learns from data that has grown as from the same data in one file: the same losses, to the last bit."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from models.data import gathered
from models.data.split import prepare
from models.data.stored import Stored
from models.records import Epoch
from models.spec import TrainingSpec
from models.training import train
from tests.models.data.reading.adding.versions import pictures, versions
from tests.models.data.reading.forms import iris

EVERY = range(40)


def pairs() -> Iterator[tuple[Stored, Stored]]:
    flowers = iris().splitlines(keepends=True)
    for whole, pieces in (
        (pictures(EVERY), [pictures(range(20)), pictures(range(20, 33)), pictures(range(33, 40))]),
        (b"".join(flowers), [b"".join(flowers[:140]), b"".join([flowers[0], *flowers[140:]])]),
    ):
        with versions(whole) as one, versions(*pieces) as grown:
            assert one.base is not None
            assert grown.base is not None
            yield tuple(  # type: ignore[misc]
                Stored(tuple(base.files.items()), base.schema) for base in (one.base, grown.base)
            )


def losses(stored: Stored) -> list[bytes]:
    spec = TrainingSpec(dataset="mine/2", hidden_sizes=[16], epochs=3, batch_size=8, stratify=True)
    with tempfile.TemporaryDirectory() as nowhere:
        split = prepare(spec, Path(nowhere), stored)
    return [
        np.asarray(record.losses, np.float32).tobytes()
        + b"".join(tensor.numpy().tobytes() for tensor in record.checkpoint.weights.values())
        for record in train([spec], split)
        if isinstance(record, Epoch)
    ]


@pytest.mark.parametrize("most_bytes", [gathered.MOST_BYTES, 1])
def test_losses_and_weights_are_the_same(most_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(gathered, "MOST_BYTES", most_bytes)
    for whole, grown in pairs():
        found = losses(grown)
        assert len(found) == 3
        assert found == losses(whole)
