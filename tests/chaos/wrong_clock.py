"""Has a command see a wall clock that is off, by a library of a few lines of C that is compiled for it."""

import subprocess
import sys
import time
from pathlib import Path


def wrong_clock(folder: Path, seconds: int) -> list[str]:
    """Give the words before a command that has it see a clock that is so many seconds off."""
    library = folder / "wrong_clock.so"
    source = Path(__file__).with_name("wrong_clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, source], check=True)
    words = ["env", f"LD_PRELOAD={library}", f"WRONG_BY={seconds}"]
    seen = subprocess.check_output([*words, sys.executable, "-c", "import time; print(time.time())"])
    assert abs(float(seen) - time.time() - seconds) < 60, "the clock was not wrong"
    return words
