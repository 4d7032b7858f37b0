"""A client of tus that we did not write brings a file over connections that are torn ten times; then it is read."""

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.processes.supervisor import free_port
from tests.chaos.proxy import Proxy
from tests.node import program
from tests.running import serving

SCRIPT = """
const fs = require('fs')
const tus = require('tus-js-client')
const [endpoint, file, along] = process.argv.slice(2)
const upload = new tus.Upload(fs.createReadStream(file), {
  endpoint,
  retryDelays: Array(50).fill(20),
  metadata: { filename: 'letters.csv' },
  uploadDataDuringCreation: along === 'along',
  onError: error => { console.error(String(error)); process.exit(1) },
  onSuccess: () => { console.log(upload.url); process.exit(0) },
})
upload.start()
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that uploads a file, in a folder that has the client."""
    return program(tmp_path_factory.mktemp("client"), "tus-js-client@4.3.1", "upload.js", SCRIPT)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("home"), 1) as (url, _):
        yield url


def test_a_file_arrives_whole_over_a_connection_that_is_torn_ten_times(script: Path, url: str, tmp_path: Path) -> None:
    content = random.Random(1).randbytes(6_000_000)
    file = tmp_path / "file"
    file.write_bytes(content)
    proxy = Proxy(port=free_port(), target=int(url.rpartition(":")[2]))
    proxy.tears = sorted(random.Random(2).sample(range(1_000, 6_000_000), 10))
    proxy.start()
    try:
        command = ["node", str(script), f"http://127.0.0.1:{proxy.port}/uploads", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    finally:
        proxy.stop()
    assert done.returncode == 0, done.stderr
    assert proxy.tears == []
    upload_id = done.stdout.strip().rpartition("/")[2]
    with httpx.Client(base_url=url, timeout=60) as client:
        answer = client.post(f"/datasets?name=letters&upload={upload_id}")
        assert answer.status_code == 202, answer.text
        assert answer.json()["file"]["name"] == "letters.csv"
        assert client.get(f"{answer.headers['location']}/file").content == content


def test_its_first_bytes_may_come_along_with_the_beginning(script: Path, url: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content := random.Random(3).randbytes(300_000))
    command = ["node", str(script), f"{url}/uploads", str(file), "along"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    shown = httpx.get(done.stdout.strip()).json()
    assert (shown["state"], shown["offset"]) == ("whole", len(content))
