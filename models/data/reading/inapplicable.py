"""Options that fit nothing of what was found are refused: who said them meant something else."""

from collections.abc import Sequence

from models.data.reading.found import Fault, UnreadableError
from models.data.reading.options import Options

OF_PICTURES = ("size", "channels", "preparation", "transpose", "scale")
OF_PICTURE_FILES = ("fit",)
OF_TABLES = ("types", "missing", "unknown")
OF_TEXTS = ("separator", "decimal", "header", "encoding")
"""Which options are for what alone."""


def refuse(options: Options, names: Sequence[str], why: str) -> None:
    """Raise UnreadableError for those of some options that were said."""
    said = [name for name in names if getattr(options, name) not in (None, {}, ())]
    if said:
        raise UnreadableError(
            *(
                Fault(
                    name,
                    f"`{name}` was said, and {why}",
                    f'leave it out; where it holds from a version before, options={{"{name}":null}} takes it back',
                )
                for name in said
            )
        )
