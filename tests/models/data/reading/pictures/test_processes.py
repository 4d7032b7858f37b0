"""The processes that decode: any number of them gives the same, and what kills one is told, by its picture."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from models.data.reading.pictures import decode, decoders
from models.data.reading.pictures.decoders import Batch, Decoders
from models.data.reading.pictures.outcome import Answer, Broken, Form
from models.data.reading.pictures.tube import Tube
from tests.models.data.reading.pictures import bombs
from tests.models.data.reading.pictures.files import noise, saved, some
from tests.waiting import wait_until

FORM = Form((12, 9))


def everything(batches: Iterator[Batch]) -> list[tuple[str, Answer | Broken | None, bytes]]:
    found = []
    for batch in batches:
        pixels = b"".join(batch.pixels)
        start = 0
        for name, answer in zip(batch.names, batch.answers, strict=True):
            length = 12 * 9 * answer.channels if isinstance(answer, Answer) else 0
            found.append((name, answer, pixels[start : start + length]))
            start += length
        assert start == len(pixels)
    return found


def test_one_process_and_several_give_the_same_in_the_same_order() -> None:
    files = [*some(300).items(), ("c/1.png", saved(Image.fromarray(noise(channels=3)))), ("c/2.png", b"none")]
    with Decoders(1) as one, Decoders(3) as three:
        by_one = everything(one.run(iter(files), FORM))
        assert everything(three.run(iter(files), FORM, most=7)) == by_one
        assert len(three.numbers) <= 3
    assert [name for name, _, _ in by_one] == [name for name, _ in files]


def test_a_reading_goes_on_when_a_process_is_killed() -> None:
    files = list(some(400).items())
    with Decoders(2) as processes:

        def killing() -> Iterator[tuple[str, bytes]]:
            for place, file in enumerate(files):
                if place in (150, 300):
                    os.kill(processes.numbers[0], signal.SIGKILL)
                yield file

        found = everything(processes.run(killing(), FORM, most=20))
    assert [name for name, _, _ in found] == [name for name, _ in files]
    assert all(isinstance(answer, Answer) for _, answer, _ in found)
    assert found == everything_by_itself(files)


def everything_by_itself(files: list[tuple[str, bytes]]) -> list[tuple[str, Answer | Broken | None, bytes]]:
    alone = [(name, decode.decode(data, FORM)) for name, data in files]
    return [(name, picture.about, picture.pixels) for name, picture in alone]


FATAL = """
import fcntl, os, signal, sys
sys.path[:] = sys.argv[1:-1]
from models.data.reading.pictures import decoder_process
sound = decoder_process.decode
def decode(data, form):
    if data == b"fatal":
        os.kill(os.getpid(), signal.SIGSEGV)
    if data == b"holds":
        fcntl.lockf(int(sys.argv[-1]), fcntl.LOCK_EX)
        os.kill(os.getpid(), signal.SIGKILL)
    if data == b"endless":
        while True:
            pass
    return sound(data, form)
decoder_process.decode = decode
decoder_process.SECONDS = 0.2
decoder_process.main()
"""


def test_the_picture_that_a_process_dies_of_is_found_and_the_others_are_decoded() -> None:
    files = list(some(100).items())
    files[30], files[77], files[99] = ("fatal", b"fatal"), ("endless", b"endless"), ("again", b"fatal")
    with Decoders(2, FATAL) as processes:
        found = everything(processes.run(iter(files), FORM, most=20))
    assert [name for name, _, _ in found] == [name for name, _ in files]
    broken = {name: answer.detail for name, answer, _ in found if isinstance(answer, Broken)}
    assert broken.keys() == {"fatal", "endless", "again"}
    assert "killed by SIGSEGV" in broken["fatal"]
    assert "processor's time" in broken["endless"]


def test_processes_that_cannot_start_are_an_error_of_the_machine_and_not_of_the_pictures() -> None:
    with Decoders(2, "raise SystemExit(3)") as processes, pytest.raises(OSError, match="ended with 3 at its start"):
        list(processes.run(iter(some().items()), FORM))


def test_a_process_ends_when_its_pipes_are_closed(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("wb") as lock:
        tube = Tube(lock.fileno())
    select.select([tube.ear], [], [])
    assert list(tube.read()) == []
    assert tube.has_begun
    assert tube.end() == "ended with 0"


@pytest.mark.parametrize("file", [b"", b"endless"])
def test_no_process_outlives_one_that_is_killed_whether_it_waits_or_decodes(file: bytes) -> None:
    script = (
        "from models.data.reading.pictures.tube import Tube; import sys; tube = Tube(2, sys.argv[1]); "
        "about = {'size': [9, 9], 'channels': 1, 'fit': 'pad', 'look': False}; "
        f"tube.send({{**about, 'lengths': [{len(file)}]}}, [{file!r}]); "
        "print(tube.number, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, FATAL]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        number = int(reader.stdout.readline())
        # What never ends is stopped after a moment of the processor's time, perhaps by now.
        assert file or _is_running(number)
        reader.kill()
    wait_until(lambda: not _is_running(number), timeout=20, what="the end of the process that decodes")


def _is_running(number: int) -> bool:
    stat = Path(f"/proc/{number}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_no_picture_fills_the_memory_or_keeps_others_from_being_decoded() -> None:
    sound = some(20)
    hostile = {name: data for name, (data, _) in bombs.REFUSED.items()}
    files = [*hostile.items(), *sound.items(), *bombs.FIRST_FRAMES.items()]
    with Decoders(1) as processes:
        found = everything(processes.run(iter(files), FORM))
        (number,) = processes.numbers
        peak = next(line for line in Path(f"/proc/{number}/status").read_text().splitlines() if "VmHWM" in line)
    assert int(peak.split()[1]) < 256 * 1024
    for name, answer, _ in found:
        if name in hostile:
            assert isinstance(answer, Broken), name
            assert bombs.REFUSED[name][1] in answer.detail, name
        else:
            assert isinstance(answer, Answer), (name, answer)
    assert [name for name, _, _ in found] == [name for name, _ in files]


def test_large_pictures_wait_for_each_other_and_for_none_that_is_dead() -> None:
    large = saved(Image.new("L", (2100, 2100), 7))
    files = [(f"{place}.png", large if place % 3 else b"holds") for place in range(6)]
    with Decoders(2, FATAL) as processes:
        found = everything(processes.run(iter(files), FORM, most=1))
    assert [isinstance(answer, Answer) for _, answer, _ in found] == [False, True, True, False, True, True]
    assert found[1][2] == bytes([7]) * 12 * 9


def test_as_many_processes_as_cores_and_one_for_a_few_pictures() -> None:
    assert decoders.processes(199) == 1
    assert decoders.processes(200) == min(8, len(os.sched_getaffinity(0)))
