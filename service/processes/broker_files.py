"""Files of the embedded broker that it cannot read are set aside: they hold only rings, no job."""

import subprocess
import tempfile
import time
from pathlib import Path

from service.broker import embedded
from service.processes import tether

ASIDE = "broker-unreadable-"
"""What the names of folders begin with that were set aside."""

TRIAL_SECONDS = 10.0
_LOOK_SECONDS = 0.02


def mend(port: int, folder: Path) -> str | None:
    """Set the folder of a broker aside that starts without its files and not with them; says where they lie then.

    It is tried, not read from what the server says, which differs between servers and versions. Nothing is deleted.
    """
    if not folder.is_dir() or not any(folder.iterdir()) or _dies_with(port, folder) is not True:
        return None
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="broker-trial-") as empty:
        if _dies_with(port, Path(empty)) is not False:
            return None  # whatever it is, the files are not to blame
    aside = next(path for number in range(1, 10**6) if not (path := _numbered(folder, number)).exists())
    folder.rename(aside)
    folder.mkdir()
    return f"its files could not be read and lie in {aside} now; they held only rings, and no job is lost"


def _numbered(folder: Path, number: int) -> Path:
    return folder.with_name(f"{ASIDE}{number}")


def _dies_with(port: int, folder: Path) -> bool | None:
    """Whether the broker dies before it answers; None if it does neither in time."""
    url, deadline = f"redis://127.0.0.1:{port}/0", time.monotonic() + TRIAL_SECONDS
    trial = subprocess.Popen(
        tether.tied(embedded.command(port, folder)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while time.monotonic() < deadline:
            is_ready = embedded.is_ready(url)
            if trial.poll() is not None:
                return True
            if is_ready:
                return False
            time.sleep(_LOOK_SECONDS)
        return None
    finally:
        trial.kill()
        trial.wait()
