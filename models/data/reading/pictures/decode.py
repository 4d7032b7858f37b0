"""One picture, from the bytes of its file to pixels: upright, opaque, eight bits, grey or in red, green and blue.

Nothing but Pillow is loaded here: the processes in which this runs start at once, and are small.
"""

import fcntl
import importlib
import io
import re
import struct
import warnings
import zlib
from typing import Literal, NamedTuple

from PIL import Image, ImageChops, ImageFile

from models.data.reading.pictures import file_pieces, footprint, picture_format, png_stream
from models.data.reading.pictures.outcome import MOST_BYTES, MOST_PIXELS, Answer, BrokenError, Form
from models.data.reading.pictures.resize import draft, resize
from models.data.reading.pictures.transparency import opaque

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}
_OF_TAGS = "Tag (data larger|offset too large)"
_LARGE = 4_000_000  # pixels
_WEBP_ROUNDS = 1  # level by which red, green and blue of what was grey may differ
_SCAN = b"\xff\xda"
_MOST_SCANS = 100
"""Of a JPEG: a progressive one has a dozen, and each may take all of its pixels' time in a few bytes."""

_lock = list[int]()


class Picture(NamedTuple):
    """A picture, and its pixels, uint8, row by row; none if they were not asked for."""

    about: Answer
    pixels: bytes


def look(data: bytes) -> Picture:
    """Give what the header of a picture tells, its pixels not decoded; raises BrokenError."""
    return _guarded(data, None)


def decode(data: bytes, form: Form) -> Picture:
    """Give a picture in a form; raises BrokenError."""
    return _guarded(data, form)


def prepare(lock: int | None = None) -> None:
    """Set Pillow's own bounds, for the whole process, and have what it warns of be refused.

    `lock` is the descriptor of a file that whoever decodes a large picture locks.
    """
    _lock.clear()
    if lock is not None:
        _lock.append(lock)
    bound("")


def bound(module: str) -> None:
    """Set Pillow's own bounds, and have what is warned of be refused, by modules whose names begin so."""
    warnings.filterwarnings("error", module=module)
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    # What a camera wrote beside a picture says nothing against the picture; see _orientation.
    warnings.filterwarnings("ignore", ".*(EXIF|Metadata Warning|MPO|APNG)", module=module)
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    # It warns from this number on, and refuses from twice as many.
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2


def _guarded(data: bytes, form: Form | None) -> Picture:
    if len(data) > MOST_BYTES:
        raise BrokenError(f"it has more than {MOST_BYTES // 2**20} MiB", "send a smaller picture, or leave it out")
    name = picture_format.name_of(data)
    if name is None:
        raise BrokenError(*picture_format.other(data))
    if name not in Image.OPEN:
        importlib.import_module(picture_format.PLUGINS[name])
        if name == "AVIF":
            # As many processes decode as there are cores.
            vars(importlib.import_module(picture_format.PLUGINS[name]))["DEFAULT_MAX_THREADS"] = 1
    try:
        return _read(data, name, form)
    except BrokenError:
        raise
    except UserWarning as warned:
        if name == "TIFF" or not re.match(_OF_TAGS, str(warned)):
            raise BrokenError(f"it cannot be decoded ({_said(warned)}), as a {name} picture") from None
        # As in `bound`; but of a TIFF the tags are the picture.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", _OF_TAGS)
            return _guarded(data, form)
    except MemoryError:
        raise BrokenError("it takes more memory than there is", "send a smaller picture, or leave it out") from None
    except Image.DecompressionBombError:
        raise _too_large() from None
    except (OSError, EOFError) as error:
        why = "it is cut short or damaged" if "truncated" in str(error) else f"it is damaged ({_said(error)})"
        raise BrokenError(f"{why}, as a {name} picture") from None
    except (SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, struct.error, zlib.error) as error:
        raise BrokenError(f"it is damaged ({_said(error)}), as a {name} picture") from None
    except Exception as error:  # noqa: BLE001 - what a decoder raises is no error of ours, whatever it is
        raise BrokenError(f"it cannot be decoded ({_said(error)}), as a {name} picture") from None
    finally:
        if _lock:
            fcntl.lockf(_lock[0], fcntl.LOCK_UN)


def _read(data: bytes, name: str, form: Form | None) -> Picture:
    file_pieces.check(data, name)
    # As Image.open does, which would look for the form once more.
    with Image.OPEN[name][0](io.BytesIO(data), "") as image:
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise _too_large()
        if image.mode == "F" or image.mode.startswith("F;"):
            raise BrokenError("its pixels are fractions (float)", "bring them to whole numbers from 0 to 255")
        if name == "JPEG" and data.count(_SCAN) > _MOST_SCANS:
            raise BrokenError(f"it is drawn in more than {_MOST_SCANS} passes (scans)")
        if form is None:
            # Of a PNG the orientation may stand behind the pixels: such a one counts as it lies. A TIFF tells the size
            # that it will have.
            turn = 1 if name == "TIFF" else _orientation(image, [], early=True)
            upright = (width, height) if turn >= 5 else (height, width)
            return Picture(Answer(*upright, 0, name, (), -1), b"")
        size = form.size or _shortened((height, width), form.longest)
        marks = list[str]()
        if getattr(image, "is_animated", False) and image.format != "MPO":
            marks.append("animated")
        if name == "JPEG" and size is not None:
            # What is only bounded has pixels to spare, and is made smaller again.
            draft(image, size, **({} if form.size is not None else {"times": 1}))
        if form.memory is not None:
            footprint.check(image, (width, height), data.count(_SCAN), form.memory)
        stream = png_stream.begin(data, image) if name == "PNG" else None
        if name == "TIFF" and _orientation(image, marks) != 1:
            marks.append("turned")  # while it is loaded
        if width * height > _LARGE and _lock and (name != "JPEG" or "progressive" in image.info):
            # A picture may take a dozen bytes a pixel for a moment: one at a time, then, of all processes. A JPEG that
            # is not progressive is never whole in memory.
            fcntl.lockf(_lock[0], fcntl.LOCK_EX)
        image.load()
        if stream is not None:
            png_stream.finish(image, stream)
        turn = 1 if name == "TIFF" else _orientation(image, marks)
        if "icc_profile" in image.info:
            marks.append("profile")
        plain, greatest = _plain(image, marks)
        if turn in _TURNS:
            plain = plain.transpose(_TURNS[turn])
            marks.append("turned")
    if turn >= 5:
        height, width = width, height
    if size is not None:
        upright = size if form.size is not None or turn < 5 else (size[1], size[0])
        plain = resize(plain, upright, form.fit)
    plain = _coloured(plain, form.channels, marks, slack=_WEBP_ROUNDS if name == "WEBP" else 0)
    if form.size is None:
        width, height = plain.size
    return Picture(Answer(height, width, len(plain.getbands()), name, marks, greatest), plain.tobytes())


def _shortened(size: tuple[int, int], longest: int | None) -> tuple[int, int] | None:
    """Give the size of a picture whose longer side is too long; None where it keeps its own."""
    if longest is None or max(size) <= longest:
        return None
    height, width = (max(1, round(side * longest / max(size))) for side in size)
    return height, width


def _orientation(image: Image.Image, marks: list[str], *, early: bool = False) -> int:
    """Give the turn that EXIF asks for, 1 where it tells of none."""
    if image.format != "TIFF" and _EXIF.isdisjoint(image.info):
        return 1
    if early and image.format == "PNG" and "exif" not in image.info:
        return 1
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", _OF_TAGS)  # others than the turn
            turn = image.getexif().get(_ORIENTATION, 1)
            if isinstance(written := image.info.get("exif"), bytes):
                warnings.simplefilter("error")
                warnings.filterwarnings("ignore", _OF_TAGS)
                Image.Exif().load(written)
    except Exception:  # noqa: BLE001 - what a camera wrote beside the picture may be damaged in any way
        marks.append("exif")
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _plain(image: Image.Image, marks: list[str]) -> tuple[Image.Image, int]:
    """Give an opaque picture in L or RGB, and the greatest number of one that has sixteen bits."""
    mode = image.mode
    if mode in ("L", "RGB") and "transparency" not in image.info:
        return image, -1
    if mode.startswith("I"):
        whole = image.convert("I")
        least, greatest = whole.getextrema()
        if not (isinstance(least, int) and isinstance(greatest, int) and least >= 0 and greatest < 65536):
            raise BrokenError(
                f"its pixels go from {least} to {greatest}, beyond sixteen bits",
                "bring them to whole numbers from 0 to 255",
            )
        marks.append("sixteen")
        return whole.point(lambda number: number * (1 / 256) + 0).convert("L"), greatest
    if mode == "CMYK":
        marks.append("inks")
        return image.convert("RGB"), -1
    if mode == "LAB":
        marks.append("lab")
        return _from_lab(image), -1
    if mode == "1":
        image = image.convert("L") if "transparency" not in image.info else image
    if image.has_transparency_data:
        image, was_transparent = opaque(image)
        if was_transparent:
            marks.append("transparent")
    return (image if image.mode in ("L", "RGB") else image.convert("RGB")), -1


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    ways = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    turned = ImageCms.profileToProfile(image, *ways, outputMode="RGB")
    assert turned is not None, "a new picture was asked for"
    return turned


def _coloured(image: Image.Image, channels: Literal[1, 3] | None, marks: list[str], *, slack: int) -> Image.Image:
    """Give a picture with so many channels; with one, where none is said and all three are the same but for `slack`."""
    if channels == 1:
        return image.convert("L") if image.mode != "L" else image
    if channels == 3:
        return image.convert("RGB") if image.mode != "RGB" else image
    if image.mode == "L":
        return image
    red, green, blue = image.split()
    if red.tobytes() == green.tobytes() == blue.tobytes():
        return red
    if not slack or any(max(ImageChops.difference(green, other).tobytes()) > slack for other in (red, blue)):
        return image
    marks.append("nearly")
    return image.convert("L")


def _too_large() -> BrokenError:
    return BrokenError(f"it has more than {MOST_PIXELS // 1_000_000} million pixels", "send a smaller picture")


def _said(error: Exception) -> str:
    """Give what an error says, without what it says about this machine."""
    said = " ".join(str(error).split())[:200]
    return type(error).__name__ if not said or "<" in said or "/" in said else said
