"""A home is tried before anything starts, and is one program's at a time."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli.main import app
from service.processes.supervisor import StartError
from service.start import lock

ROOT = Path(__file__).parents[3]
HOLD = "import sys, pathlib, signal; from service.start import lock\n"
HOLD += "with lock.held(pathlib.Path(sys.argv[1])): print('held', flush=True); signal.pause()"


def tenfold(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


IN_A_LINE = """
import sys
from typer.testing import CliRunner
from service.cli.main import app
for words in (["up", "--port", "0"], ["worker"], ["api", "--port", "0"], ["demo"]):
    done = CliRunner().invoke(app, [*words, "--folder" if words == ["demo"] else "--home", sys.argv[1]])
    print(done.exit_code, done.output, end="")
"""


def a_file(home: Path) -> None:
    home.write_text("mine")


def below_a_file(home: Path) -> None:
    home.parent.write_text("mine")


def a_link_to_nowhere(home: Path) -> None:
    home.symlink_to("nowhere")


def a_file_for_logs(home: Path) -> None:
    home.mkdir()
    (home / "logs").write_text("mine")


def a_folder_for_the_lock(home: Path) -> None:
    (home / lock.LOCK).mkdir(parents=True)


@pytest.mark.parametrize("spoil", [a_file, below_a_file, a_link_to_nowhere, a_file_for_logs, a_folder_for_the_lock])
def test_a_home_in_whose_place_lies_something_else_is_told_and_left_alone(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    home = tmp_path / "parent" / "home"
    if spoil is not below_a_file:
        home.parent.mkdir()
    spoil(home)
    with pytest.raises(StartError, match=r"cannot be written: .*; what lies there is no (folder|file): .*--home"):
        lock.held(home).__enter__()
    for file in (home, home.parent, home / "logs"):
        assert not file.is_file() or file.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "told"),
    [("ro", "Read-only file system; choose another"), ("size=256k", "No space left on device; make room there")],
)
def test_a_disk_that_takes_nothing_is_told_in_one_line_at_once(tmp_path: Path, options: str, told: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    # Where nobody else sees what is mounted.
    within = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o {options} tmpfs "$0" && exec "$@"', str(home)]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*within, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("nothing can be mounted here")
    command = [*within, sys.executable, "-c", IN_A_LINE, str(home)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 4, done.stdout
    for line in lines:
        assert re.match(rf"1 {home}(/lock)? cannot be written: {told}", line), line


@pytest.mark.parametrize("name", ["home", "hö me 'x' %2F;$(id)", "two\nlines"])
def test_a_second_up_on_one_home_is_told_in_one_line_who_has_it(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    with lock.held(home):
        done = tenfold("up", "--home", home)
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done.output
    assert f"is in use by process {os.getpid()}; stop that first" in done.stderr
    assert [path.name for path in home.iterdir()] == [lock.LOCK]


def test_a_lock_goes_with_its_holder_also_when_that_is_killed_and_its_children_are_not(tmp_path: Path) -> None:
    source = HOLD.replace("print(", "import subprocess; child = subprocess.Popen(['sleep', '60']); print(child.pid, ")
    with subprocess.Popen(
        [sys.executable, "-c", source, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline().split()[0])
        with pytest.raises(StartError, match=f"is in use by process {holder.pid};"):
            lock.assert_free(tmp_path)
        holder.kill()
        holder.wait()
    try:
        with lock.held(tmp_path), pytest.raises(StartError, match=f"process {os.getpid()}"):
            lock.held(tmp_path).__enter__()
    finally:
        os.kill(child, 9)
    lock.assert_free(tmp_path)


def test_who_has_a_home_is_told_no_better_than_it_is_known(tmp_path: Path) -> None:
    with lock.held(tmp_path):
        for written, told in (
            ("", "another program"),
            ("nonsense", "another program"),
            (f"{2**22 + 1} {socket.gethostname()}", "another program"),
            ("1234 far-away", "process 1234 on the host far-away"),
        ):
            (tmp_path / lock.LOCK).write_text(written)
            with pytest.raises(StartError, match=f"is in use by {told};"):
                lock.assert_free(tmp_path)


def test_looking_whether_a_home_is_free_makes_nothing(tmp_path: Path) -> None:
    lock.assert_free(tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_a_demo_is_one_demo_s_at_a_time(tmp_path: Path) -> None:
    with lock.held(tmp_path):
        done = tenfold("demo", "--folder", tmp_path)
    assert done.exit_code == 1
    assert "choose another folder with --folder" in done.stderr.splitlines()[-1]
