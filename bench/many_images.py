"""Claim: 10,000 images as raw bytes are answered, as JSON, in at most twice the time of their matrix products.

The whole request counts, on loopback, by one connection that stays: 7.84 MB are sent, read, checked for blank images,
computed, softmax included, and answered with the digit and the ten probabilities of each, 1.7 MB. Its products are the
three of an MLP 784-100-50-10 with all images in float32, as `np.matmul` does them on one thread, as the API
does; by all of the machine's threads they are told as well. Told too, and not claimed: the same images answered
as CSV with the surest class alone, and with probabilities as bytes (Open Inference Protocol), and what one image takes
meanwhile, on a connection of its own, beside what it takes when nobody else asks.

The network is trained through the service for an epoch. In every round the products and each form are measured once, in
turns, so that noise falls on all alike.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]

from bench import ours
from bench.asker import Asker
from bench.figures import circumstances, spread, verdict
from bench.forms import RAW, compact
from bench.ours import Trained
from bench.started import Failed, Reference, started

COUNT, TIMES, UNSEEN = 10_000, 2.0, 100
JSON, CSV, BYTES = "JSON", "CSV, the surest class", "probabilities as bytes"


def requests_of(images: np.ndarray) -> Mapping[str, bytes]:
    """Give the request about all images in each form of answer."""
    pixels, raw = images.tobytes(), RAW.headers
    tensor = {"name": "pixels", "datatype": "UINT8", "shape": list(images.shape)}
    asked = {"inputs": [{**tensor, "parameters": {"binary_data_size": len(pixels)}}]}
    outputs = [{"name": name, "parameters": {"binary_data": True}} for name in ("digit", "probabilities")]
    head = compact({**asked, "outputs": outputs})
    return {
        JSON: Asker.request(RAW.path, raw, pixels),
        CSV: Asker.request(RAW.path, {**raw, "Accept": "text/csv"}, pixels),
        BYTES: Asker.request(
            "/v2/models/default/infer", {**raw, "Inference-Header-Content-Length": str(len(head))}, head + pixels
        ),
    }


def seconds_of(do: Callable[[], object]) -> float:
    """Give how long something takes."""
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun


def multiply(x_BD: np.ndarray, weights: Sequence[np.ndarray]) -> None:
    """Compute the products of a network, and nothing else."""
    x_BH = x_BD
    for weight in weights:
        x_BH = np.matmul(x_BH, weight)


def asked(asker: Asker, request: bytes) -> None:
    """Ask, and read the whole answer; raises Failed."""
    if (status := asker.ask(request)) != 200:
        raise Failed(f"it answers {status}")


def one_image(url: str, request: bytes, seconds: float, beside: bytes | None) -> Sequence[float]:
    """Give the seconds that each request of one image takes, perhaps beside one who asks about many again and again."""
    until, taken = time.perf_counter() + seconds, list[float]()

    def ask_about_many() -> None:
        other = Asker(url)
        while time.perf_counter() < until:
            other.ask(beside or b"")
        other.close()

    thread = threading.Thread(target=ask_about_many)
    if beside is not None:
        thread.start()
    asker = Asker(url)
    while time.perf_counter() < until:
        taken.append(seconds_of(lambda: asked(asker, request)))
    asker.close()
    if beside is not None:
        thread.join()
    return taken


def milliseconds(seconds: Sequence[float]) -> Sequence[float]:
    """Give seconds in milliseconds."""
    return [1000 * one for one in seconds]


def measure(url: str, trained: Trained, rounds: int, seconds: float) -> None:
    """Measure all of it, and print it."""
    images = np.resize(np.stack(trained.images), (COUNT, 28, 28))
    x_BD, weights = images.reshape(COUNT, -1).astype(np.float32), [its.weight for its in trained.network.layers]
    requests, asker = requests_of(images), Asker(url)
    taken: dict[str, list[float]] = {name: [] for name in requests}
    products: dict[str, list[float]] = {"one thread": [], "all threads": []}
    for number in range(rounds + 2):  # the first two warm up
        with threadpool_limits(1, "blas"):
            alone = seconds_of(lambda: multiply(x_BD, weights))
        products["one thread"].append(alone)
        products["all threads"].append(seconds_of(lambda: multiply(x_BD, weights)))
        for name, request in requests.items():
            taken[name].append(seconds_of(lambda request=request: asked(asker, request)))  # type: ignore[misc]
        if number == 1:
            for some in (*products.values(), *taken.values()):
                some.clear()
    asker.close()
    blas = next(its for its in threadpool_info() if its["user_api"] == "blas")
    print(
        f"{blas['internal_api']} {blas['version']}, {blas.get('architecture')}, {blas['num_threads']} threads at most"
    )
    print(f"{COUNT:,} images of 28 x 28, MLP 784-100-50-10; n = {rounds}, in turns; ms, median (least to greatest)")
    for name, some in products.items():
        print(f"  products, {name:30}{spread(milliseconds(some), 1)}")
    for name, some in taken.items():
        times = [one / other for one, other in zip(some, products["one thread"], strict=True)]
        print(f"  answered as {name:28}{spread(milliseconds(some), 1):28} {spread(times)} times the products")
    single = Asker.request(RAW.path, RAW.headers, images[0].tobytes())
    for name, beside in (("alone", None), ("beside batches", requests[JSON])):
        waited = milliseconds(one_image(url, single, seconds, beside))
        told = f"p50 {median(waited):.2f}, p99 {quantiles(waited, n=100)[98]:.2f} of {len(waited):,}"
        print(f"  one image {name:30}{told}")
    times = [one / other for one, other in zip(taken[JSON], products["one thread"], strict=True)]
    text = f"{COUNT:,} images as raw bytes, answered as JSON, in at most {TIMES:g} times the time of their products"
    print(f"{verdict(text, times, at_most=TIMES)}: {spread(times)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="requests in each form (30)")
    parser.add_argument("--seconds", type=float, default=4, help="of requests of one image (4)")
    options = parser.parse_args()
    print(circumstances(threads=1))
    with tempfile.TemporaryDirectory(prefix="tenfold-many-images-") as name:
        folder = Path(name)
        trained = ours.train(folder / "home", UNSEEN)
        weights = folder / "network.safetensors"
        weights.write_bytes(trained.weights)
        reference = Reference(trained.images, trained.network.logits(np.stack(trained.images)))
        (folder / "api").mkdir()
        with started(trained.servers()[0], weights, reference, folder / "api") as running:
            measure(running.url, trained, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
