"""A process of the API answers and keeps its memory, whatever strangers send; `tests.chaos.strangers` sends more."""

from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.chaos.strangers import JSON, at_once, megabytes, post, prepared, send_bodies, send_pictures, stalled
from tests.pixels import RAW
from tests.running import serving
from tests.waiting import wait_until

MIB = 2**20
MOST_GROWTH = 100  # megabytes

get = partial(httpx.get, timeout=60, trust_env=False)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is told below /proc, on Linux")
def test_nothing_that_strangers_send_stops_others_or_stays_in_memory(tmp_path: Path) -> None:
    job_id, sweep_id = prepared(tmp_path, batches=30_000, trials=200)
    with serving(tmp_path, 1) as (url, process):
        history, sweep = f"/jobs/{job_id}/metrics", f"/sweeps/{sweep_id}?limit=10000"
        assert get(f"{url}{history}?max_points=4").status_code == 200  # loads pandas
        assert post(url, "/predict", b"\0\xff" * 392, RAW) == 200
        before = megabytes(process.pid)

        assert set(send_pictures(url, 3, 2)) == {200}
        assert set(send_pictures(url, 1, 257)) == {422}
        assert set(send_bodies(url, MIB // 4)) <= {400, 413, 422, 200}
        with stalled(url, 2, 8 * MIB), stalled(url, 10, 0, path=history, method="GET"):
            assert post(url, "/predict", b'{"images_base64": "%b"}' % (b"AP8A/wD/" * (98 * 4 * 700)), JSON) == 200
            assert post(url, "/predict", b"\0\xff" * 392, RAW) == 200
            assert get(f"{url}{history}").json()["total_points"] == 30_000
        assert set(at_once(4, lambda: get(url + sweep).status_code)) == {200}

        wait_until(lambda: megabytes(process.pid) < before + MOST_GROWTH, timeout=30, what="memory to be given back")
        assert post(url, "/predict", b"\0\xff" * 392, RAW) == 200
