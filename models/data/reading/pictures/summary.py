"""What there is to tell of the pictures that were decoded: their forms, what was done to them, which are broken."""

from collections import Counter
from collections.abc import Sequence

from models.data.reading.found import MOST_FAULTS, Fault, UnreadableError
from models.data.reading.options import Options
from models.data.reading.pictures.outcome import Answer, Broken
from models.data.reading.told import Told

_MOST_BROKEN = 0.05
_SHOWN = 20
_FEW_LEVELS = 4096  # twelve bits, as cameras of science and medicine have
_MARKS = {
    "turned": ("orientation", "turned upright, as the EXIF says"),
    "transparent": (
        "transparency",
        "transparent pixels were laid on the ground that the border shows; where that is transparent too, on black if "
        "the picture is light, and on white if it is dark",
    ),
    "animated": ("frames", "of more than one frame or page, the first was taken"),
    "inks": ("colours", "from the colours of printing inks (CMYK) to red, green and blue"),
    "lab": ("colours", "from Lab colours to red, green and blue"),
    "profile": ("colours", "a colour profile is there, and was not applied"),
    "nearly": ("channels", "grey but for the one level by which WebP rounds, and taken for grey"),
    "sixteen": ("depth", "of sixteen bits a pixel, 0 to 65535, and divided by 256"),
}


class Summary:
    """Counts pictures, of so many in all."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._sizes = Counter[tuple[int, int]]()
        self._formats, self._marks, self._channels = Counter[str](), Counter[str](), Counter[int]()
        self._greatest = -1
        self._broken = list[tuple[str, Broken]]()
        self._broken_count = 0

    def add(self, answers: Sequence[Answer]) -> None:
        """Take what came of some pictures."""
        for answer in answers:
            self._sizes[answer.height, answer.width] += 1
            self._formats[answer.format] += 1
            self._channels[answer.channels] += 1
            if answer.marks:
                self._marks.update(answer.marks)
                self._greatest = max(self._greatest, answer.greatest)

    def broken(self, name: str, why: Broken) -> None:
        """Take a picture that could not be decoded; raises UnreadableError where these are too many."""
        self._broken_count += 1
        if len(self._broken) < _SHOWN:
            self._broken.append((name, why))
        if self._broken_count >= MOST_FAULTS and self._is_too_much():
            raise self._refusal()

    def tell(self, shape: tuple[int, int, int], options: Options, told: Told) -> None:
        """Tell of all, `shape` being height, width and channels; raises UnreadableError where too many are broken."""
        if self._broken_count == self._count or self._is_too_much():
            raise self._refusal()
        if self._broken_count:
            shown = [(name, f"{why.detail}; {why.remedy}") for name, why in self._broken]
            told.drop("the picture cannot be decoded", self._broken_count, shown)
        formats = dict(self._formats.most_common())
        told.taken_for["pictures"] = formats
        told.note("pictures", "the files are " + " and ".join(f"{count:,} {name}" for name, count in formats.items()))
        for mark, (what, detail) in _MARKS.items():
            if count := self._marks[mark]:
                told.note(what, f"{detail}: {_pictures(count)}")
        self._tell_channels(shape[2], options, told)
        self._tell_size(shape[:2], options, told)
        if 0 <= self._greatest < _FEW_LEVELS:
            told.warn(
                "depth",
                f"the greatest number in pictures of sixteen bits is {self._greatest:,}, of 65,535: divided by 256, "
                "hardly any levels are left; bring them to the whole range, or to eight bits, and send them again",
            )
        if count := self._marks["exif"]:
            told.warn("orientation", f"damaged EXIF, and so perhaps not turned as it should be: {_pictures(count)}")

    def _tell_channels(self, channels: int, options: Options, told: Told) -> None:
        if told.base is not None and options.channels == getattr(told.base.schema, "channels", None):
            how = "grey" if channels == 1 else "in colour"
            told.note("channels", f"all are {how}, as those of {told.base.name}, whatever they were in their files")
        elif options.channels is not None:
            told.note("channels", f"{'grey' if channels == 1 else 'red, green and blue'}: so it was said")
        elif channels == 3 and (grey := self._channels[1]):
            told.note("channels", f"in colour; of {_pictures(self._channels.total())}, {grey:,} are grey")
        else:
            told.note("channels", "all pictures are grey, in whatever mode" if channels == 1 else "in colour")

    def _tell_size(self, size: tuple[int, int], options: Options, told: Told) -> None:
        height, width = size
        changed = self._sizes.total() - self._sizes[size]
        told.taken_for["sizes"] = len(self._sizes)
        if not changed:
            return
        enlarged = sum(count for its, count in self._sizes.items() if its[0] < height or its[1] < width)
        others = sum(count for its, count in self._sizes.items() if its[0] * width != its[1] * height)
        how = {
            "stretch": "stretched", "pad": "padded with their ground", "crop": "cut to their middle",
        }[options.fit or "stretch"]  # fmt: skip
        detail = f"{_most(self._sizes)}; {changed:,} were brought to {height} x {width} pixels"
        detail += f", {enlarged:,} of them enlarged" if enlarged else ", by area"
        if others:
            detail += f", {others:,} of other proportions {how}"
        if options.size is None:
            detail += "; size=HEIGHTxWIDTH says otherwise"
        if others and options.fit is None:
            detail += "; fit=pad keeps proportions, and fit=crop cuts"
        shown = [f"{its[0]} x {its[1]}: {count:,}" for its, count in self._sizes.most_common(5)]
        if options.size is None or others:
            told.warn("mixed sizes" if len(self._sizes) > 1 else "size", detail, shown)
        else:
            told.note("size", detail)

    def _is_too_much(self) -> bool:
        return self._broken_count > _MOST_BROKEN * self._count

    def _refusal(self) -> UnreadableError:
        return UnreadableError(*(Fault(name, why.detail, why.remedy) for name, why in self._broken))


def _most(sizes: Counter[tuple[int, int]]) -> str:
    if len(sizes) == 1:
        height, width = next(iter(sizes))
        return f"all pictures have {height} x {width} pixels"
    # Of those that are equally large, as a picture and one on its side, each is named.
    least, most = min(sizes, key=lambda its: (_area(its), its)), max(sizes, key=lambda its: (_area(its), its))
    return f"pictures have {len(sizes):,} sizes, from {least[0]} x {least[1]} to {most[0]} x {most[1]} pixels"


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _pictures(count: int) -> str:
    return f"{count:,} pictures" if count > 1 else "1 picture"
