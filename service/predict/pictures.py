"""Decodes pictures in a thread of their own, in turns: a small request is not kept waiting by a thousand pictures."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.reading.pictures import pixel_count
from service.errors import Invalid, TooMuch
from service.predict.executors import DECODE, apart

MOST_PIXELS = 2**28
"""Of all pictures of one request together, by what their headers say."""

MOST_WAITING = 4 * MOST_PIXELS
"""Pixels that may wait in a process; those of one client may be half of them."""

_TURN = 2**18
"""Pixels after which it is another request's turn, where one picture has not more than that."""

_ANY = 2**14
"""Pixels that every picture counts for, however small it is: as many as are decoded in the time that it takes."""

_LONGEST_TURN = 0.1
"""Seconds after which no further picture is begun with in the same turn."""

_PIXELS_A_SECOND = 2**25
"""That are decoded at about; says only when to come again."""

Decoded = tuple[NDArray[Any], dict[int, str]]
"""Images [n, D] of those that could be read, and of each other, by its place, why not."""

Decode = Callable[[bytes], NDArray[Any]]
"""Brings a picture to the form of a network, [1, D]; raises ValueError where that cannot be done."""


@dataclass(eq=False)
class _Waiting:
    """The pictures of a request that are still to be decoded."""

    files: Sequence[bytes]
    decode: Decode
    sizes: Sequence[int]
    future: "asyncio.Future[Decoded]"
    images: list[NDArray[Any]] = field(default_factory=list)
    unreadable: dict[int, str] = field(default_factory=dict)
    done: int = 0  # files
    spent: int = 0  # pixels

    def turn(self) -> int:
        """Give how many files are decoded at its turn."""
        pixels, count = 0, 0
        for size in self.sizes[self.done :]:
            pixels, count = pixels + size, count + 1
            if pixels >= _TURN:
                break
        return count

    def take(self, decoded: Sequence[NDArray[Any] | str]) -> bool:
        """Keep what its turn brought; whether that was all."""
        for one in decoded:
            if isinstance(one, str):
                self.unreadable[self.done] = one
            else:
                self.images.append(one)
            self.spent += self.sizes[self.done]
            self.done += 1
        return self.done == len(self.files)


class Pictures:
    """Decodes the pictures of many requests: clients take turns, and of one client the request that had least so far.

    Everything but the decoding itself runs in the event loop.
    """

    def __init__(self) -> None:
        self._clients: OrderedDict[str, list[_Waiting]] = OrderedDict()
        self._pixels: dict[str, int] = {}  # that wait, by client
        self._busy = False

    @property
    def waiting(self) -> int:
        """How many pixels wait."""
        return sum(self._pixels.values())

    def put(self, client: str, files: Sequence[bytes], decode: Decode) -> "asyncio.Future[Decoded]":
        """Have the pictures of a request decoded so; who cancels the future is left out from the next turn on.

        Raises Invalid where they have more pixels together than may be, and TooMuch where too many wait already.
        """
        sizes = [max(pixel_count.of(file), _ANY) for file in files]
        if (pixels := sum(sizes)) > MOST_PIXELS and len(files) > 1:
            raise Invalid(
                f"the {len(files):,} pictures have {pixels:,} pixels, where each counts for {_ANY:,} at least; send "
                f"fewer at once, or smaller ones, of {MOST_PIXELS:,} together"
            )
        waiting, its = self.waiting, self._pixels.get(client, 0)
        if waiting and (waiting + pixels > MOST_WAITING or (its and its + pixels > MOST_WAITING // 2)):
            raise TooMuch("too many pictures are waiting already", retry_after=1 + (its or waiting) // _PIXELS_A_SECOND)
        one = _Waiting(files, decode, sizes, asyncio.get_running_loop().create_future())
        self._clients.setdefault(client, []).append(one)
        self._pixels[client] = its + pixels
        one.future.add_done_callback(lambda _: self._forget(client, one, pixels))
        self._next()
        return one.future

    def _forget(self, client: str, one: _Waiting, pixels: int) -> None:
        self._clients[client].remove(one)
        self._pixels[client] -= pixels
        if not self._clients[client]:
            del self._clients[client], self._pixels[client]

    def _next(self) -> None:
        """Begin with the next turn."""
        if self._busy:
            return
        for client in list(self._clients):
            unanswered = [one for one in self._clients[client] if not one.future.done()]
            if unanswered:
                self._clients.move_to_end(client)
                break
        else:
            return
        one = min(unanswered, key=lambda waiting: waiting.spent)
        self._busy = True
        turn = apart(DECODE, _decoded, one.decode, one.files[one.done : one.done + one.turn()])
        turn.add_done_callback(lambda done: self._end(one, done))

    def _end(self, one: _Waiting, turn: "asyncio.Future[Any]") -> None:
        self._busy = False
        if turn.cancelled():  # the loop is being closed
            one.future.cancel()
            return
        if not one.future.done():
            if (error := turn.exception()) is not None:
                one.future.set_exception(error)
            elif one.take(turn.result()):
                empty = np.empty((0, 0), np.uint8)
                one.future.set_result((np.concatenate(one.images or [empty]), one.unreadable))
        self._next()


def _decoded(
    decode: Decode, files: Sequence[bytes], clock: Callable[[], float] = monotonic
) -> list[NDArray[Any] | str]:
    """Decode some pictures, in the thread, as many as time allows; in the place of one that cannot be read stands why.

    A header may say less of a picture than there is: the turn ends after the picture that takes too long.
    """
    decoded: list[NDArray[Any] | str] = []
    end = clock() + _LONGEST_TURN
    for file in files:
        if decoded and clock() > end:
            break
        try:
            decoded.append(decode(file))
        except ValueError as error:
            decoded.append(str(error))
    return decoded
