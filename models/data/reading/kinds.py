"""What a column of a table is taken for, by what stands in it; and which columns are left out, and why."""

import re
from dataclasses import dataclass

from models.data.reading import cells, columns
from models.data.reading.found import MOST_FAULTS, Fault, UnreadableError
from models.data.reading.named import MOST_CHARACTERS
from models.data.reading.profile import LARGEST, MOST_BYTES, Profile
from models.data.reading.told import Told

MOST_LEVELS = 100
_PAIRS = (("no", "yes"), ("false", "true"), ("f", "t"), ("n", "y"), ("0", "1"))
_MOSTLY = 0.9
_OFTEN = 0.01
_WORDS = 3
_FEW = 10
_ENOUGH = 50
_PICTURE = re.compile(r"\[?\s*\d[\d.]*(?:[\s,;]+\d[\d.]*){63,}\s*\]?")
_FILE = re.compile(r"(?i).+\.(png|jpe?g|webp|avif|gif|bmp|tiff?)")


@dataclass(frozen=True)
class Kind:
    """What a column is: `type` as a schema calls it, or `date`; its levels; `day_first` of a date."""

    type: str
    why: str
    levels: tuple[str, ...] = ()
    day_first: bool = True


def decide(profile: Profile, said: str | None, told: Told) -> Kind | None:
    """Decide what a column is, None if it is left out, which is told; raises UnreadableError."""
    if profile.long:
        what = f"... is longer than {MOST_BYTES // 1024} KiB"
        raise _faults(profile, profile.long, what, f'shorten it, or say ignore=["{profile.name}"]')
    if said is not None:
        return _said(profile, said)
    if profile.infinite and profile.numbers >= _MOSTLY * profile.there:
        raise _too_large(profile)
    names = profile.distinct
    plain = {columns.level(name) for name in names}
    if not profile.there:
        told.leave_out(profile.name, "nothing stands in it")
        return None
    if len(plain) == 1:
        return _one(profile, names[0], told)
    if pair := _boolean(names):
        return Kind("boolean", f"it holds {pair[0]} and {pair[1]} alone", pair)
    if profile.numbers + profile.gone.total() == profile.there and profile.numbers:
        # Of numbers alone, `none` and `.` say that nothing is there.
        if len({columns.level(name) for name in names if name.lower() not in cells.MISSING_NUMBERS}) == 1:
            return _one(profile, next(name for name in names if name.lower() not in cells.MISSING_NUMBERS), told)
        if profile.whole and 2 < len(plain) <= _FEW and profile.there >= _ENOUGH:
            told.warn(
                "numbers that look like categories",
                f"column {profile.name!r} holds {len(plain)} distinct whole numbers; it is taken for a number, and "
                f'types={{"{profile.name}": "category"}} says otherwise',
                sorted(plain)[:_FEW],
            )
        return Kind("number", "all of its cells are numbers")
    if profile.bad and profile.numbers >= _MOSTLY * profile.there:
        raise _faults(
            profile, profile.bad, "is no number, and nearly all others of its column are",
            f'mend it, or say types={{"{profile.name}": "category"}}, or ignore=["{profile.name}"]',
        )  # fmt: skip
    if profile.dates >= _MOSTLY * profile.there:
        why = f'it holds dates; types={{"{profile.name}": "date"}} takes them as days'
        told.leave_out(profile.name, why)
        return None
    if profile.some and all(_PICTURE.fullmatch(text) for text in profile.some):
        raise _picture_in_a_cell(profile)
    if (long := max(names, key=len, default="")) and len(long) > MOST_CHARACTERS:
        told.leave_out(
            profile.name, f"its texts have up to {len(long):,} characters, and levels at most {MOST_CHARACTERS}"
        )
        return None
    if len(profile.some) > 1 and all(_FILE.fullmatch(text.strip()) for text in profile.some):
        told.leave_out(profile.name, "it names pictures, which are read where they come with it, in one ZIP")
        return None
    if names and len(names) <= min(MOST_LEVELS, max(2, profile.there // 2)):
        return Kind("category", f"it holds {len(names)} distinct texts", _levels(plain))
    if not names or max(profile.levels.values() if profile.levels else ()) == 1:
        what = "nearly each row has a text of its own"
    else:
        what = f"it holds {len(names)} distinct texts; at most {MOST_LEVELS}, and one for two rows, are taken"
    is_free = sum(len(text.split()) for text in profile.some) >= _WORDS * len(profile.some)
    told.leave_out(profile.name, f"{'it is free text: ' if is_free else ''}{what}")
    return None


def _one(profile: Profile, name: str, told: Told) -> Kind | None:
    """Decide about a column in which one thing stands, or nothing: that it is missing may be what it tells."""
    lacking = profile.missing + profile.gone if profile.numbers else profile.missing
    share = lacking.total() / profile.rows
    if not _OFTEN <= share <= 1 - _OFTEN:
        but = f", but for {lacking.total():,} cells in which nothing stands" if lacking else ""
        told.leave_out(profile.name, f"it is the same everywhere ({name[:40]!r}{but})")
        return None
    told.note(
        "missing",
        f"column {profile.name!r} holds {name[:40]!r} or nothing, and is kept for telling which; "
        f'ignore=["{profile.name}"] leaves it out',
    )
    why = f"it holds {name[:40]!r}, or nothing"
    return Kind("number", why) if profile.numbers else Kind("category", why, (columns.level(name),))


def _picture_in_a_cell(profile: Profile) -> UnreadableError:
    """Give the refusal of a column in whose cells whole pictures stand, as in FER2013's `pixels`."""
    name, count = profile.name, len(re.findall(r"[\d.]+", profile.some[0]))
    what = f"each of its cells holds many numbers, as the {count:,} of the first: a whole picture"
    split = f"frame.pop({name!r}).str.strip('[] ').str.split('[ ,;]+', expand=True, regex=True)"
    remedy = f'in pandas, give each a column: frame.join({split}.add_prefix("pixel")).to_csv(FILE, index=False)'
    remedy += f'; a table without it is read with ignore=["{name}"]'
    return UnreadableError(Fault(f"column {name}", what, remedy))


def _too_large(profile: Profile) -> UnreadableError:
    infinite = [place for place in profile.infinite if cells.is_infinite(place[1])]
    if infinite:
        return _faults(profile, infinite, "is infinite", "put a finite number there, or take out the line")
    return _faults(
        profile, profile.infinite, f"is beyond {LARGEST:.3g}, the largest number that a network works with",
        f'write the column in another unit, or take out the line, or say ignore=["{profile.name}"]',
    )  # fmt: skip


def _said(profile: Profile, said: str) -> Kind:
    where, why = f"column {profile.name}", "so it was said"
    names = profile.distinct
    if said == "number":
        if profile.infinite:
            raise _too_large(profile)
        if bad := profile.bad:
            raise _faults(profile, bad, "is no number", "mend it, or do not say that the column is one (`types`)")
        return Kind("number", why)
    if said == "category":
        if not names:
            raise UnreadableError(
                Fault(
                    where,
                    "it has too many distinct texts for a category, or none",
                    "do not say that it is one (`types`)",
                )
            )
        if len(long := max(names, key=len)) > MOST_CHARACTERS:
            what = f"its texts have up to {len(long):,} characters, and levels at most {MOST_CHARACTERS}"
            raise UnreadableError(Fault(where, what, "write shorter ones, or do not say that it is one (`types`)"))
        return Kind("category", why, _levels({columns.level(name) for name in names}))
    if said == "boolean":
        plain = sorted({columns.level(name) for name in names})
        if len(plain) != 2:
            raise UnreadableError(
                Fault(
                    where,
                    f"it has {len(plain)} distinct texts, and a boolean has two",
                    "do not say that it is one (`types`)",
                )
            )
        return Kind("boolean", why, _boolean(plain) or (plain[0], plain[1]))
    if not profile.some:
        raise UnreadableError(Fault(where, "no date stands in it", "do not say that it holds dates (`types`)"))
    day_first = columns.is_day_first(profile.some)
    if day_first is None:
        raise UnreadableError(
            Fault(where, f"{profile.some[0][:40]!r} may have the day or the month first", "write dates as 2026-12-31")
        )
    return Kind("date", f"{why}: days since 1970-01-01, which is what to send as well", (), day_first)


def _boolean(names: list[str]) -> tuple[str, str] | None:
    """Give the two of them that mean false and true, if they do."""
    plain = {columns.level(name).lower(): columns.level(name) for name in names}
    if len({columns.level(name) for name in names}) != 2:
        return None
    return next(((plain[no], plain[yes]) for no, yes in _PAIRS if plain.keys() == {no, yes}), None)


def _levels(names: set[str]) -> tuple[str, ...]:
    if all(cells.whole(name) is not None for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _faults(profile: Profile, places: list[tuple[str, str]], detail: str, remedy: str) -> UnreadableError:
    return UnreadableError(
        *(
            Fault(f"{where}, column {profile.name}", f"{text[:40]!r} {detail}", remedy)
            for where, text in places[:MOST_FAULTS]
        )
    )
