"""The program of a process that decodes pictures: batches come on its standard input, and go back on its output.

A batch is a line of JSON (`size`, `channels`, `fit`, `look`, and the `lengths` of the files), then the files. The
answer is the numbers of bytes of two parts, eight each, then those: JSON with an answer for each picture, and pixels.
"""

import json
import resource
import signal
import sys
from typing import Any, BinaryIO

from models.data.reading.pictures.decode import decode, look, prepare
from models.data.reading.pictures.outcome import BrokenError, Form

SECONDS = 30
"""Of the processor's time for one picture: one that takes more ends the process, by SIGPROF."""


def main() -> None:
    """Decode what comes until nothing more comes; the last argument is the descriptor of a lock, see prepare."""
    prepare(int(sys.argv[-1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Python would come to its handlers only when the decoder is done.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    # That it is there: whoever dies before has died of no picture.
    _send(sink, [], b"")
    while line := source.readline():
        request = json.loads(line)
        size = request["size"]
        form = Form(None if size is None else tuple(size), request["channels"], request["fit"])
        answers, pixels = [], bytearray()
        for length in request["lengths"]:
            data = source.read(length)
            if len(data) < length:
                return
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            answers.append(_answer(data, form, pixels, only_look=request["look"]))
        signal.setitimer(signal.ITIMER_PROF, 0)
        _send(sink, answers, pixels)


def _answer(data: bytes, form: Form, pixels: bytearray, *, only_look: bool) -> list[Any]:
    try:
        picture = look(data) if only_look else decode(data, form)
    except BrokenError as error:
        return [error.detail, error.remedy]
    pixels += picture.pixels
    return list(picture.about)


def _send(sink: BinaryIO, answers: list[list[Any]], pixels: bytes | bytearray) -> None:
    told = json.dumps(answers, separators=(",", ":")).encode()
    sink.write(len(told).to_bytes(8, "big") + len(pixels).to_bytes(8, "big") + told)
    sink.write(pixels)
    sink.flush()


if __name__ == "__main__":
    main()
