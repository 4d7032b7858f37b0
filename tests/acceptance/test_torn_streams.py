"""A client of server-sent events that we did not write misses nothing, though its connection is torn all the time."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from service.settings import Settings
from service.store.store import Store
from tests.node import program
from tests.records import log_many, submit
from tests.running import serving

SCRIPT = """
const { EventSource } = require('eventsource')
const [url, count] = process.argv.slice(2)
let connections = 0, came = 0

// Each connection breaks off after a few pieces, amid one of them.
const torn = async (address, init) => {
  connections += 1
  const answer = await fetch(address, init)
  if (!answer.body) return answer
  let left = 3
  const body = answer.body.pipeThrough(new TransformStream({
    start(controller) { controller.enqueue(new TextEncoder().encode('retry: 5\\n\\n')) },
    transform(piece, controller) {
      left -= 1
      if (left >= 0) return controller.enqueue(piece)
      controller.enqueue(piece.slice(0, piece.length / 2))
      controller.error(new Error('torn'))
    },
  }))
  return { status: answer.status, headers: answer.headers, url: answer.url, redirected: false, body }
}

const source = new EventSource(url, { fetch: torn })
const end = () => { source.close(); console.error(connections); process.exit(0) }
const tell = event => {
  console.log(event.lastEventId, event.type, event.data)
  if (++came == count) end()
}
for (const type of ['state', 'epoch', 'job.deleted', 'end']) source.addEventListener(type, tell)
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that follows a stream until so many events have come."""
    return program(tmp_path_factory.mktemp("client"), "eventsource@4.1.1", "follow.js", SCRIPT)


@contextmanager
def running(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_streams_that_are_torn_every_few_events_miss_none_and_repeat_none(
    script: Path, settings: Settings, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENFOLD_DATABASE_URL", settings.database_url)
    job_ids = [submit(store) for _ in range(4)]

    came: list[int] = []
    with serving(tmp_path, 1) as (url, _):
        position = httpx.get(f"{url}/events").json()["after"]
        follow = ["node", str(script), f"{url}/events?after={position}", "80"]
        with running(follow) as client:
            assert client.stdout is not None
            with ThreadPoolExecutor(4) as writers:  # several at a time, where the database lets them
                for _ in range(20):
                    list(writers.map(lambda job_id: log_many(store, job_id, 1), job_ids))
                    came += [int(client.stdout.readline().split()[0]) for _ in job_ids]
            _, connections = client.communicate(timeout=60)
        page = httpx.get(f"{url}/events?limit=1000").json()["data"]
        store.jobs.cancel(job_ids[0])
        follow = ["node", str(script), f"{url}/jobs/{job_ids[0]}/events", "23"]
        done = subprocess.run(follow, capture_output=True, text=True, timeout=60, check=True)
    assert came == [event["id"] for event in page][-80:]
    assert int(connections) > 5
    *its, end = done.stdout.splitlines()
    assert [int(line.split()[0]) for line in its] == [row.number for row in store.jobs.events(job_ids[0])]
    assert end.split()[-2:] == ["end", "{}"]
