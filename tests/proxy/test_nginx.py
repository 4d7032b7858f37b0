"""Behind the nginx of docs/proxy.md, by TLS and below /ml: what browsers and clients get is what they should.

Tenfold runs as in production. Where there is no nginx, or no openssl, these are skipped; not so where CI is true.
"""

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.artifacts import Artifacts
from service.processes.supervisor import free_port
from service.settings import Settings
from service.store.shared_columns import DEFAULT
from service.store.store import Store
from tests.pixels import images
from tests.records import submit, succeeded
from tests.running import serving
from tests.waiting import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "proxy.md"
NAME = "ml.example.com"
OFFSETS = "application/offset+octet-stream"
MISSING = [tool for tool in ("nginx", "openssl") if shutil.which(tool) is None]

SURROUNDINGS = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/unused;
    uwsgi_temp_path {folder}/unused;
    scgi_temp_path {folder}/unused;
    {servers}
    # As some have it, for WebSockets; and no more than predictions are let through.
    server {{
        listen 127.0.0.1:{narrow};
        location = /predict {{
            proxy_pass http://tenfold;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $host;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Proxied:
    """A service behind nginx."""

    tls: ssl.SSLContext
    port: int
    narrow: int
    direct: int
    store: Store
    trained: str

    @property
    def origin(self) -> str:
        return f"https://{NAME}:{self.port}"

    def connect(self) -> ssl.SSLSocket:
        return self.tls.wrap_socket(socket.create_connection(("127.0.0.1", self.port), 30), server_hostname=NAME)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Ask as a browser or a client does that knows the outer address alone."""
        connection = http.client.HTTPConnection(NAME, self.port)
        connection.sock = self.connect()
        with closing(connection):
            content = json.dumps(body).encode() if isinstance(body, dict) else body
            kind = {"Content-Type": "application/json"} if isinstance(body, dict) else {}
            connection.request(method, path, content, kind | {k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


def configured(folder: Path, port: int, narrow: int, direct: int) -> Path:
    """Write the configuration of the page, with other ports, and files that are there."""
    (text,) = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)
    ours = {
        "127.0.0.1:8000": f"127.0.0.1:{direct}",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/ml.example.com": str(folder / "tls"),
    }
    for theirs, mine in ours.items():
        assert theirs in text
        text = text.replace(theirs, mine)
    file = folder / "nginx.conf"
    file.write_text(SURROUNDINGS.format(folder=folder, servers=text, narrow=narrow))
    return file


@contextmanager
def nginx(folder: Path, port: int, narrow: int, direct: int) -> Iterator[ssl.SSLContext]:
    key, certificate = folder / "tls.key", folder / "tls.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    folder.chmod(0o755)
    file = configured(folder, port, narrow, direct)
    process = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(file), "-e", str(folder / "error.log")])
    try:

        def listens() -> bool:
            assert process.poll() is None, (folder / "error.log").read_text()
            with socket.socket() as one:
                return one.connect_ex(("127.0.0.1", port)) == 0

        wait_until(listens, timeout=30, what="nginx to listen")
        yield ssl.create_default_context(cafile=str(certificate))
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    if MISSING:
        assert os.environ.get("CI") != "true", f"{MISSING} must be there"
        pytest.skip(f"needs {MISSING}")
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("nginx")
    settings = Settings(home=home)
    store = Store.open(settings).of(DEFAULT)
    trained = succeeded(store, Artifacts(settings.artifacts))
    port, narrow = free_port(), free_port()
    with pytest.MonkeyPatch.context() as patch, closing(store.database):
        patch.setenv("TENFOLD_TRUSTED_PROXIES", "127.0.0.1")
        patch.setenv("TENFOLD_ALLOWED_HOSTS", f"{NAME},localhost,127.0.0.1")
        patch.setenv("TENFOLD_BROKER_URL", f"redis://127.0.0.1:{free_port()}/0")
        with serving(home, processes=1) as (url, _):
            direct = int(url.rpartition(":")[2])
            with nginx(folder, port, narrow, direct) as tls:
                yield Proxied(tls, port, narrow, direct, store, trained)


def test_a_page_of_ours_submits_and_follows_what_it_is_given(proxied: Proxied) -> None:
    page = {"Origin": proxied.origin, "Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors"}
    status, headers, body = proxied.ask("POST", "/ml/jobs", {"dataset": "digits"}, **page)
    assert (status, headers["location"]) == (202, json.loads(body)["links"]["self"])
    assert headers["location"].startswith("/ml/jobs/")
    assert proxied.ask("GET", headers["location"], **page)[0] == 200
    # A browser that is old, and says Origin alone.
    assert proxied.ask("POST", f"{headers['location']}/cancel", b"", Origin=proxied.origin)[0] == 202


def test_pages_of_others_are_refused(proxied: Proxied) -> None:
    for headers in ({"Sec_Fetch_Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": f"http://{NAME}"}):
        status, _, body = proxied.ask("POST", "/ml/jobs", {"dataset": "digits"}, **headers)
        assert (status, json.loads(body)["instance"]) == (403, "/ml/jobs")
    assert proxied.ask("GET", f"/ml/jobs/{proxied.trained}/plots/loss.png", Sec_Fetch_Site="cross-site")[0] == 403


def test_the_documentation_and_all_it_loads_are_below_the_path(proxied: Proxied) -> None:
    assert proxied.ask("GET", "/ml")[1]["location"].endswith("/ml/")
    status, _, page = proxied.ask("GET", json.loads(proxied.ask("GET", "/ml/")[2])["links"]["documentation"])
    assert status == 200
    addresses = re.findall(rb"(?:src|href)=\"([^\"]+)\"|url: '([^']+)'", page)
    assert len(addresses) == 4
    for address in addresses:
        assert proxied.ask("GET", b"".join(address).decode())[0] == 200
    assert json.loads(proxied.ask("GET", "/ml/openapi.json")[2])["servers"] == [{"url": "/ml"}]
    assert proxied.ask("GET", "/ml/jobs/?limit=1")[1]["location"] == "/ml/jobs?limit=1"


def test_what_a_client_says_of_itself_is_not_believed(proxied: Proxied) -> None:
    said = {"X_Forwarded_Prefix": "/evil", "X_Forwarded_Host": "evil.example", "X_Forwarded_Proto": "ftp"}
    status, _, body = proxied.ask("GET", "/ml/", **said, X_Forwarded_For="127.0.0.1")
    assert (status, json.loads(body)["links"]["jobs"]) == (200, "/ml/jobs")


def test_events_come_through_as_they_happen(proxied: Proxied) -> None:
    job = submit(proxied.store, dataset="digits")
    proxied.store.jobs.pause(job)
    with proxied.connect() as stream:
        request = f"GET /ml/jobs/{job}/events HTTP/1.1\r\nHost: {NAME}:{proxied.port}\r\nAccept: text/event-stream\r\n"
        stream.sendall(f"{request}Connection: close\r\n\r\n".encode())
        came = b""
        while b"event: " not in came:  # the job waits: its stream does not end before it is cancelled
            piece = stream.recv(4096)
            assert piece, came
            came += piece
        assert b"event: end" not in came
        assert proxied.ask("POST", f"/ml/jobs/{job}/cancel", b"")[0] == 202
        while piece := stream.recv(4096):
            came += piece
    assert b"event: end" in came


def test_a_data_set_is_uploaded(proxied: Proxied) -> None:
    rows = "".join(f"{number % 10},{','.join(['7'] * 784)}\n" for number in range(2000))
    status, headers, body = proxied.ask("POST", "/ml/datasets?name=large", rows.encode(), Content_Type="text/csv")
    assert (status, headers.get("location")) == (202, "/ml/datasets/large/versions/1"), body


def test_what_has_come_of_an_upload_before_a_cut_is_kept(proxied: Proxied) -> None:
    content = bytes(range(256)) * 400
    tus = {"Tus_Resumable": "1.0.0"}
    status, headers, body = proxied.ask("POST", "/ml/uploads", b"", **tus, Upload_Length=str(len(content)))
    place = headers["location"]
    assert (status, place.startswith("/ml/uploads/")) == (201, True), body

    def has_come() -> int:
        return int(proxied.ask("HEAD", place, **tus)[1]["upload-offset"])

    about = f"Host: {NAME}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Length: {len(content)}\r\n"
    with proxied.connect() as cut:
        cut.sendall(f"PATCH {place} HTTP/1.1\r\n{about}Content-Type: {OFFSETS}\r\n\r\n".encode() + content[:60_000])
        at = wait_until(has_come, timeout=30, what="bytes to come through")
    rest = {"Content_Type": OFFSETS, "Upload_Offset": str(at), **tus}
    status, headers, body = proxied.ask("PATCH", place, content[at:], **rest)
    assert (status, headers["upload-offset"]) == (204, str(len(content))), body
    used = proxied.ask("POST", f"/ml/datasets?name=torn&upload={place.rpartition('/')[2]}", b"")
    assert used[0] == 202
    assert proxied.ask("GET", "/ml/datasets/torn/versions/1/file")[2] == content


def test_predictions_are_answered_and_their_faults_are_told(proxied: Proxied) -> None:
    status, headers, body = proxied.ask("POST", "/ml/predict", {"image": images(1)[0].tolist()})
    assert status == 200, body
    assert "digit" in json.loads(body)
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    status, _, body = proxied.ask("POST", "/ml/predict", {"image": [1]})
    assert (status, json.loads(body)["instance"]) == (422, "/ml/predict")


def test_nothing_is_hidden_in_the_body_of_a_request_that_wishes_another_protocol(proxied: Proxied) -> None:
    job = submit(proxied.store, dataset="digits")
    hidden = f"POST /jobs/{job}/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode()
    for wish in ("websocket", "h2c", "TLS/1.0"):
        head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nUpgrade: {wish}\r\nConnection: Upgrade, close\r\n"
        with socket.create_connection(("127.0.0.1", proxied.narrow), 30) as connection:
            connection.sendall(f"{head}Content-Length: {len(hidden)}\r\n\r\n".encode() + hidden)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert re.findall(rb"HTTP/1.1 (\d+)", answer) in ([b"400"], [b"415"], [b"422"]), answer
        assert not proxied.store.jobs.get(job).cancel_requested  # type: ignore[union-attr]


def test_health_is_told_to_a_balancer_that_asks_by_address_and_nothing_else(proxied: Proxied) -> None:
    statuses = []
    for path in ("/livez", "/jobs"):
        connection = http.client.HTTPConnection("127.0.0.1", proxied.direct)
        with closing(connection):
            connection.request("GET", path, headers={"Host": "10.1.2.3"})
            statuses.append(connection.getresponse().status)
    assert statuses == [200, 400]
