"""Claim: a photo of 12 million pixels is answered within 400 ms, and holds up others to at most twice their p99.

The photos are JPEGs (quality 90) of 4,000 x 3,000 as a phone takes them: a digit on shaded, grainy paper, turned on its
side, which EXIF says; one model frames them (`digits`), the other makes them small (`plain`). Others send a small image
as JSON, one at a time, alone and while photos come one after the other. Claimed as well: after images and photos the
API's process has at most 150 MB resident; its peak is told beside it, of which decoding may take 256 MB.
"""

import argparse
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from bench import ours
from bench.asker import Asker
from bench.figures import circumstances, met, spread
from bench.forms import IMAGE, compact
from bench.prepared import saved
from bench.started import Reference, Server, Started, started
from models.data.schema import USUAL, Images
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.shared_columns import DEFAULT
from service.store.store import Store
from tests.forms import weights_of
from tests.records import succeeded

MILLISECONDS, TIMES, MEGABYTES = 400.0, 2.0, 150.0
SIZE = 4000, 3000
FORMS: dict[str, Images] = {
    "digits": USUAL,
    "plain": Images(height=64, width=64, channels=3, preparation="plain", classes=("ink", "paper")),
}


def photo(levels: NDArray[np.uint8], seed: int) -> bytes:
    """Give a digit uint8 [8, 8] as a photo of dark ink on paper, which lies on its side and says so."""
    random = np.random.default_rng(seed)
    width, height = SIZE
    ink = Image.fromarray(levels).resize((1600, 1600), Image.Resampling.BICUBIC)
    shown = np.zeros((height, width), np.float32)
    shown[700:2300, 1200:2800] = np.asarray(ink, np.float32) / 255
    shade = np.linspace(225, 170, width, dtype=np.float32) + np.linspace(8, -8, height, dtype=np.float32)[:, None]
    grain = random.normal(0, 3, (height // 4, width // 4)).astype(np.float32).repeat(4, 0).repeat(4, 1)
    grey = shade * (1 - 0.8 * shown) + grain
    paper = np.stack([grey, grey * 0.98, grey * 0.93], axis=2).clip(0, 255).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(Image.fromarray(paper).transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)


@dataclass
class Asked:
    """Milliseconds of each answer, and the statuses that there were."""

    taken: list[float] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    def ask(self, asker: Asker, request: bytes) -> None:
        """Ask once, and keep how long it took."""
        begun = time.perf_counter()
        self.statuses.add(asker.ask(request))
        self.taken.append(1000 * (time.perf_counter() - begun))


def until(running: Started, request: bytes, end: threading.Event, every: float = 0.0) -> Asked:
    """Ask until the event is set, after each answer so many seconds later."""
    asked, asker = Asked(), Asker(running.url)
    while not end.is_set():
        asked.ask(asker, request)
        if every:
            time.sleep(every)
    asker.close()
    return asked


def beside(running: Started, small: bytes, photos: list[bytes], seconds: float) -> tuple[Asked, Asked]:
    """Ask about a small image, meanwhile about photos one after the other, if there are any; gives both."""
    end, others, large = threading.Event(), list[Asked](), Asked()
    thread = threading.Thread(target=lambda: others.append(until(running, small, end, 0.005)))
    thread.start()
    stop, asker, place = time.perf_counter() + seconds, Asker(running.url), 0
    while time.perf_counter() < stop:
        if photos:
            large.ask(asker, photos[place % len(photos)])
            place += 1
        else:
            time.sleep(0.01)
    end.set()
    thread.join()
    asker.close()
    return others[0], large


def resident(pid: int, line: str) -> float:
    """Give the resident megabytes of a process; `VmHWM`: the most there were."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(text.split()[1] for text in lines if text.startswith(line))) / 1024


def tell(what: str, asked: Asked) -> float:
    """Print the times of some answers; gives their p99."""
    p99 = float(np.percentile(asked.taken, 99))
    print(
        f"  {what:44}{spread(asked.taken, 1):28} p99 {p99:6.1f} ms, n = {len(asked.taken)}, {sorted(asked.statuses)}",
        flush=True,
    )
    return p99


def kept(home: Path) -> Settings:
    """Make a home with two models that have learned nothing."""
    settings = Settings(home=home, database_url=f"sqlite:///{home}/tenfold.sqlite3")
    store = Store.open(settings).of(DEFAULT)
    for model, schema in FORMS.items():
        succeeded(store, Artifacts(settings.artifacts), model=model, file=weights_of(schema))
    store.database.close()
    return settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="of each load (10)")
    asked = parser.parse_args()
    print(circumstances(threads=1) + f"; Pillow {version('pillow')}")
    levels = load_digits().images[:4]
    photos = [photo(np.rint(each * (255 / 16)).astype(np.uint8), place) for place, each in enumerate(levels)]
    print(f"{len(photos)} photos of {SIZE[0]:,} x {SIZE[1]:,}, {len(photos[0]) / 2**20:.1f} MiB; milliseconds\n")
    picture = np.zeros((28, 28), np.uint8)
    picture[4:24, 12:16] = 255
    json = {"Content-Type": "application/json"}
    small = Asker.request("/predict", json, compact({"image": picture.tolist(), "model": "digits"}))
    with tempfile.TemporaryDirectory(prefix="tenfold-photos-") as name:
        settings = kept(Path(name) / "home")
        environment = {**settings.environment(), "TENFOLD_PORT": "{port}"}
        ready = replace(IMAGE, path="/predict?model=digits")
        server = Server("Tenfold", version("tenfold"), {"Tenfold": ready}, ours.COMMAND, environment)
        start = Path(name) / "start"
        start.mkdir()
        with started(server, Path(name), Reference([picture], np.zeros((1, 10), np.float32)), start) as running:
            _measure(running, small, photos, asked.seconds)


def _measure(running: Started, small: bytes, photos: list[bytes], seconds: float) -> None:
    beside(running, small, [], 1)
    alone, _ = beside(running, small, [], seconds)
    ordinary = tell("a small image, alone", alone)
    print(f"  resident before any photo {resident(running.pid, 'VmRSS'):.0f} MB")
    taken, p99 = list[float](), list[float]()
    for model in FORMS:
        head = {"Content-Type": "image/jpeg"}
        requests = [Asker.request(f"/predict?model={model}", head, file) for file in photos]
        others, large = beside(running, small, requests, seconds)
        p99.append(tell(f"a small image, beside photos for `{model}`", others))
        tell(f"a photo for `{model}`", large)
        taken.append(float(np.median(large.taken)))
        assert others.statuses == large.statuses == {200}, "all are answered"
    alone, _ = beside(running, small, [], 1)
    now, most = (resident(running.pid, line) for line in ("VmRSS", "VmHWM"))
    print(f"  resident after it {now:.0f} MB, at its peak {most:.0f} MB\n")
    print(
        f"claim {met(max(taken) <= MILLISECONDS)}: a photo within {MILLISECONDS:g} ms, by the median: {max(taken):.0f}"
    )
    times = max(p99) / ordinary
    print(f"claim {met(times <= TIMES)}: others' p99 at most {TIMES:g} times as long beside photos: {times:.2f}")
    print(f"claim {met(now <= MEGABYTES)}: at most {MEGABYTES:g} MB resident after it: {now:.0f}")


if __name__ == "__main__":
    main()
