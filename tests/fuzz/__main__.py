"""Start everything, train a network, and have requests made up from the served document until the time is over."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz import CONFIG
from tests.running import running_stack

PHASES = "examples,coverage,fuzzing,stateful"


def main() -> int:
    """Give the exit status of the tool: 0 where every answer was as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=1800, help="for which requests are made up (1800)")
    parser.add_argument("--seed", type=int, default=1, help="of what is made up (1)")
    parser.add_argument("--phases", default=PHASES, help=f"what is made up: {PHASES}")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="tenfold-fuzz-") as home,
        running_stack(Path(home), {"TENFOLD_MAX_WAIT_SECONDS": "2"}) as stack,
    ):
        job = stack.client.submit(dataset="digits", hidden_sizes=[16], epochs=2)
        stack.finish(job["id"])
        command = [str(Path(sys.executable).with_name("st")), "--config-file", str(CONFIG), "run"]
        command += [f"{stack.url}/openapi.json", "--phases", asked.phases, "--continue-on-failure", "--no-color"]
        command += ["--max-time", str(asked.seconds), "--seed", str(asked.seed), "--request-timeout", "60"]
        ours = {"PYTHONPATH": str(CONFIG.parents[2]), "SCHEMATHESIS_HOOKS": "tests.fuzz.media_types"}
        return subprocess.run(command, check=False, cwd=home, env={**os.environ, **ours}).returncode


if __name__ == "__main__":
    sys.exit(main())
