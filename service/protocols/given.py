"""What a request of another server's protocol was found to give to a network, whatever its form."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from service.predict.batcher import Rows
from service.predict.inputs.taken import Note
from service.protocols.tensors import Tensor


class Given(NamedTuple):
    """Examples for the network's batcher, or pictures' files that are to be decoded first, and notes by their places.

    `called` is what a list of files is called in a refusal.
    """

    rows: Rows | None
    files: Sequence[bytes] = ()
    notes: Mapping[int, Sequence[Note]] = {}
    called: str = ""


class Form(Protocol):
    """What one network takes in from other servers' clients; every method raises Invalid for what it cannot be."""

    @property
    def inputs(self) -> Sequence[Mapping[str, Any]]:
        """Describe its tensors as the Open Inference Protocol does."""

    @property
    def decode(self) -> Callable[[bytes], NDArray[Any]] | None:
        """Give what brings a picture's file to the network's form; None where it takes none."""

    def tensors(self, tensors: Sequence[Tensor]) -> Given:
        """Take the tensors of a request."""

    def listed(self, value: Any, field: str, *, is_unit: bool) -> Given:
        """Take what stands under `instances`, `inputs` or `dataframe_records`."""

    def framed(self, columns: Any, data: Any, *, is_unit: bool) -> Given:
        """Take a table whose columns are named apart from its rows, under `dataframe_split`."""

    def csv(self, text: str) -> Given:
        """Take lines of CSV."""
