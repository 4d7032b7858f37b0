"""What an archive is of: pictures in folders or named by a list, or one file of data."""

import re
from pathlib import Path

from models.data.reading.archives import lists, pictured, single
from models.data.reading.archives.matching import Pictures
from models.data.reading.archives.members import Archive, Member, shown
from models.data.reading.classes import LEAST_EXAMPLES
from models.data.reading.found import Found
from models.data.reading.inapplicable import OF_TABLES, refuse
from models.data.reading.options import Options
from models.data.reading.pictures import picture_format
from models.data.reading.source import Progress
from models.data.reading.told import Told

_PICTURE = re.compile(
    r"(?i).*\.(png|jpe?g|jpe|jfif|gif|bmp|dib|tiff?|webp|avif|hei[cf]|jp2|j2k|jxl|svg|p[bgpn]m|ico|psd|qoi|dds|exr|dcm)"
)
_NAMED = re.compile(r".*\.[A-Za-z][A-Za-z0-9]{0,7}")
_LOOKED_AT = 16 * 2**20
"""Files whose names do not say what they are are looked at up to this size."""

_OF_ROWS = (*OF_TABLES, "transpose")
_OF_LISTS = ("label", "split", "ignore", "separator", "decimal", "header", "encoding")


def read(
    archive: Archive,
    folder: Path,
    options: Options,
    told: Told,
    progress: Progress,
    name: str | None,
    size: int,
    reader: single.Reader,
) -> Found:
    """Read an archive of `size` bytes, and write the arrays of its examples into the folder; raises UnreadableError.

    `name` is what its sender called it, and `reader` reads the rows of a file in it.
    """
    pictures, others = _pictures(archive)
    if not pictures or options.kind == "table":
        return single.read(archive, folder, options, told, progress, reader, size)
    every = Pictures([member.name for member in pictures])
    found, errors = lists.find(archive, others, every, folder, options, told)
    if not found and len(pictures) < LEAST_EXAMPLES and single.data_files(others):
        # A drawing or two beside the data.
        return single.read(archive, folder, options, told, progress, reader, size)
    refuse(options, _OF_ROWS, "the archive was taken for pictures, which are files")
    if told.base is None:
        refuse(options, ("scale",), "pictures in files are on the scale from 0 to 255")
    if name is not None:
        told.note("name", f"its sender called it {name!r}")
    if unclear := [error for error in errors if isinstance(error, lists.UnclearError)]:
        raise unclear[0]
    if options.label is None and not all(its.is_sure for its in found) and pictured.in_folders(pictures):
        for its in found:
            column = its.rows.names[its.label or 0]
            detail = f"{shown(its.rows.name)} names pictures as well; label={column} takes their classes from it"
            told.warn("a list that is not used", detail)
        found = []
    used = {its.rows.name for its in found}
    pictured.tell_strangers([member for member in others if member.name not in used], told)
    if found:
        given = lists.labelled(found, every, options, told)
        return pictured.read(archive, given, folder, options, told, progress, name)
    if errors and (options.label is not None or not pictured.in_folders(pictures)):
        # A list that is there, and of no use, is more likely what was meant than folders that say nothing.
        raise errors[0]
    given = pictured.by_folders(archive, pictures, told)
    for fault in (error.faults[0] for error in errors):
        told.warn("a list that is not used", f"{fault.where}: {fault.detail}; the folders say the classes")
    refuse(options, _OF_LISTS, "the folders of the pictures say their classes, and no list does")
    return pictured.read(archive, given, folder, options, told, progress, name)


def _pictures(archive: Archive) -> tuple[list[Member], list[Member]]:
    """Give the members that are pictures, by their names, or else by their first bytes; and the others."""
    unknown = [
        member.name for member in archive.members
        if not _NAMED.fullmatch(member.name) and 0 < member.size <= _LOOKED_AT
    ]  # fmt: skip
    by_bytes = {
        member.name for member, data in archive.contents(unknown) if picture_format.name_of(data) is not None
    } if unknown else set[str]()  # fmt: skip
    pictures, others = list[Member](), list[Member]()
    for member in archive.members:
        (pictures if member.name in by_bytes or _PICTURE.fullmatch(member.name) else others).append(member)
    return pictures, others
