"""The version to which examples are appended: what it is, what its file was taken for, and what is known of it.

Legend of shapes: N examples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data import stored
from models.data.examples import Examples
from models.data.reading import cells, hashes
from models.data.reading.found import Fault, UnreadableError
from models.data.reading.options import Options
from models.data.schema import Images, Table
from models.data.schema import read as schema_of
from models.data.segments import Segments

MOST_SEGMENTS = 64
"""Files of values of one version: of more the later ones are written anew as one, which bounds what is mapped."""


@dataclass(frozen=True, eq=False)
class Base:
    """A version, as `letters/3`, with its files by their names, its schema and its reading, if there is one.

    `levels` counts each of the numbers 0 to 255 among its pixels, where these are uint8 and it is known.
    """

    name: str
    files: Mapping[str, Path]
    schema: Images | Table
    reading: Mapping[str, Any]
    levels: Sequence[int] | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Base":
        """Take it from a document as JSON has it: its fields, and paths as texts."""
        return cls(
            name=document["name"],
            files={name: Path(path) for name, path in document["files"].items()},
            schema=schema_of(document["schema"]),
            reading=document["reading"] or {},
            levels=document["levels"],
        )

    @cached_property
    def examples(self) -> Examples:
        """Map its examples; raises ValueError or OSError where they are not what they were."""
        return stored.Stored(tuple(self.files.items()), self.schema).load()

    @property
    def pieces(self) -> tuple[NDArray[Any], ...]:
        """Give the values of its segments."""
        values = self.examples.values
        return values.pieces if isinstance(values, Segments) else (values,)

    @cached_property
    def marks(self) -> NDArray[np.uint64]:
        """Give a hash of each example, uint64 [N]; it is computed where none was kept."""
        if stored.MARKS in self.files:
            return np.asarray(np.load(self.files[stored.MARKS], allow_pickle=False))
        return hashes.of(self.examples.values)[0]

    def taken(self, what: str) -> Any:
        """Give what its file was taken for, None where that is not known."""
        return self.reading.get("taken_for", {}).get(what)

    @property
    def label(self) -> str | None:
        """Give the name of the column that holds the classes, if they stood in one."""
        its = self.taken("label")
        return its.get("column") if isinstance(its, Mapping) else None

    @property
    def spoken(self) -> frozenset[str]:
        """Give those of its classes whose names say elsewhere that there is no label."""
        return frozenset(name for name in self.schema.classes if cells.is_missing(name))

    def options(self, options: Options) -> Options:
        """Give the options by which a file is to be read that is appended: what is not said is as it was here."""
        if not isinstance(self.schema, Images):
            return options
        size = options.size or (self.schema.height, self.schema.width)
        channels = options.channels or self.schema.channels
        return options.model_copy(update={"size": size, "channels": channels})

    def in_its_words(self, error: UnreadableError, said: Options) -> UnreadableError:
        """Tell of a size that nobody has said, and is that of this version, as such."""
        schema = self.schema
        if not isinstance(schema, Images):
            return error
        form = f"{schema.height} x {schema.width} pixels, {'grey' if schema.channels == 1 else 'in colours'}"
        remedy = f"send pictures as those of {self.name}: {form}; or send the file as a data set of another name"
        its = {name for name in ("size", "channels") if getattr(said, name) is None}
        return UnreadableError(*(
            Fault(fault.where, fault.detail.replace("were said", f"are those of {self.name}"), remedy)
            if fault.where in its and "were said" in fault.detail
            else fault
            for fault in error.faults
        ))  # fmt: skip

    def options_of_files(self, options: Options) -> Options:
        """Give the options for files of pictures: what becomes of their proportions is as it was here."""
        if options.fit is not None or not isinstance(self.schema, Images):
            return options
        return options.model_copy(update={"fit": self.schema.fit})

    def options_of_rows(self, options: Options, names: Sequence[str], *, named: bool) -> Options:
        """Give the options for rows under these names, which the file gives itself or which are their places."""
        its_label = self.taken("label") or {}
        update: dict[str, Any] = {
            "kind": options.kind or self.schema.kind,
            "ignore": tuple(column for column in options.ignore if not isinstance(column, str) or column in names),
            "types": {column: its for column, its in options.types.items() if column in names},
        }
        # What was said of its place is so of its name: columns may stand in another order.
        if options.label in (None, its_label.get("place")) and its_label.get("column") in names:
            update["label"] = its_label["column"]
        elif options.label is None and not named and "place" in its_label:
            update["label"] = its_label["place"]
        its_split = self.taken("split")
        column = its_split.get("column") if isinstance(its_split, Mapping) else None
        if options.split not in (None, column) and options.split not in names:
            return options.model_copy(update=update)
        update["split"] = column if column in names else None
        return options.model_copy(update=update)
