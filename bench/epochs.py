"""Training by `models.training.train`, an epoch at a time: of this checkout, or, run as a script, of any other.

    python -P bench/epochs.py DESCRIPTOR THREADS FOLDER SPECS

imports what PYTHONPATH leads to, trains a network for each spec of a JSON list on the data in a folder, and answers on
the connection with that descriptor as bench/processes.py does. Only what older checkouts have as well is used.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

Accuracies = tuple[float, float]
"""On the whole training and validation part."""


def epochs(threads: int, folder: Path, specs: Sequence[Mapping[str, Any]]) -> Iterator[Accuracies]:
    """Train all, with so many threads; yields after each epoch of all of them, with the last one's accuracies."""
    # Late, after whoever runs this has said which checkout they come from.
    import torch

    from models.data.split import prepare
    from models.records import Epoch
    from models.spec import TrainingSpec
    from models.training import train

    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    asked = [TrainingSpec.model_validate(spec) for spec in specs]
    split = prepare(asked[0], folder)

    def run() -> Iterator[Accuracies]:
        come = 0
        for record in train(asked, split):
            if isinstance(record, Epoch):
                come += 1
                if come % len(asked) == 0:
                    yield record.train_accuracy, record.val_accuracy

    return run()


def serve(connection: Connection, iterator: Iterator[T]) -> None:
    """Say that the iterator is prepared, and let it take a step whenever that is asked for, until nobody listens."""
    connection.send(None)
    while True:
        try:
            connection.recv()
        except EOFError:  # the bench is over
            return
        started = time.perf_counter()
        value = next(iterator)
        connection.send((time.perf_counter() - started, value))


if __name__ == "__main__":
    descriptor, count, place, listed = sys.argv[1:]
    serve(Connection(int(descriptor)), epochs(int(count), Path(place), json.loads(listed)))
