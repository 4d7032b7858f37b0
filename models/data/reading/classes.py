"""The labels of all examples as numbers, and what the classes are called."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.data.reading import cells, named, spellings, unlabelled
from models.data.reading.found import MOST_FAULTS, Fault, UnreadableError
from models.data.reading.options import Options
from models.data.reading.told import Told
from models.data.schema import MAX_CLASSES

LEAST_EXAMPLES = 20
_FEW_FRACTIONS = 20
_MOST_SEEN = 100_000
_FRACTION = re.compile(r"[+-]?\d*\.\d*[1-9]\d*(e[+-]?\d+)?|[+-]?\d+(\.\d*)?e-?\d+", re.IGNORECASE)


@dataclass
class Labels:
    """Collects labels as they stand in a column, and where each was seen first."""

    column: str
    spoken: frozenset[str] = frozenset()  # words for nothing that are classes here
    of_folders: bool = False  # each is a class, whatever it is called
    dropped: Counter[str] = field(default_factory=Counter)  # what stood where no label does
    codes: list[NDArray[np.int32]] = field(default_factory=list)
    _known: dict[str, int] = field(default_factory=dict)
    _first: dict[str, str] = field(default_factory=dict)  # of words among whole numbers
    _written: dict[str, set[str]] = field(default_factory=dict)
    _is_whole: bool = False
    decimal: str = "."  # what decimals have in numbers of this file

    def add(self, texts: pa.Array, where: Callable[[int], str]) -> NDArray[np.bool_]:
        """Take the labels of some rows; gives which of the rows have one, bool [n]."""
        encoded = texts.dictionary_encode()
        places = encoded.indices.to_numpy(zero_copy_only=False)
        own = np.empty(len(encoded.dictionary), np.int32)
        words = dict[str, int]()
        for place, text in enumerate(encoded.dictionary.to_pylist()):
            name = normal(text, self.decimal)
            if cells.is_missing(text) and text.strip() not in self.spoken and not self.of_folders:
                own[place] = -1
                self.dropped[text.strip()] += int(np.count_nonzero(places == place))
                continue
            if len(self._written) < _MOST_SEEN:
                self._written.setdefault(name, set()).add(text.strip())
            if name not in self._known:
                self._known[name] = len(self._known)
                if cells.whole(name) is None:
                    words[name] = place
                else:
                    self._is_whole = True
            own[place] = self._known[name]
        if self._is_whole and len(self._first) + len(words) <= MOST_FAULTS:
            self._first |= {name: where(int(np.argmax(places == place))) for name, place in words.items()}
        if len(self._known) > _MOST_SEEN:
            self.check()
        codes = own[places] if len(own) else np.empty(0, np.int32)
        there = codes >= 0
        self.codes.append(codes[there])
        return there

    def whole(self) -> NDArray[np.int32]:
        """Give the code of the label of each example, int32 [N]."""
        return np.concatenate(self.codes) if self.codes else np.empty(0, np.int32)

    def by_code(self) -> list[str]:
        """Give the labels by their codes."""
        return list(self._known)

    def names(self) -> list[str]:
        """Give the labels in the order that classes have by themselves."""
        return sorted(self._known, key=order(self._known))

    def counts(self) -> Counter[str]:
        """Count the labels by their names."""
        counted = np.bincount(self.whole(), minlength=len(self._known)).tolist()
        return Counter(dict(zip(self._known, counted, strict=True)))

    def heard(self) -> frozenset[str]:
        """Give those of the words for nothing that turn out to be classes, when all labels are known."""
        return unlabelled.spoken(self.dropped + self.counts()) - self.spoken

    def check(self) -> None:
        """Raise UnreadableError where these are no labels of classes."""
        names = list(self._known)
        numbers = [name for name in names if cells.number(name, self.decimal) is not None]
        fractions = [name for name in numbers if _FRACTION.fullmatch(name.replace(self.decimal, "."))]
        shown = ", ".join(repr(name[:40]) for name in names[:5])
        remedy = "name the column that holds the classes: label=NAME"
        where = f"column {self.column}"
        named.check_class(max(names, key=len, default=""), where, remedy)
        if len(fractions) > _FEW_FRACTIONS or (len(names) > MAX_CLASSES and len(numbers) > 0.9 * len(names)):
            raise UnreadableError(
                Fault(
                    where,
                    f"it holds {len(names):,} distinct numbers ({shown} ...): a number to be predicted (regression), "
                    "which Tenfold does not do",
                    remedy,
                )
            )
        if len(names) > MAX_CLASSES:
            raise UnreadableError(
                Fault(
                    where,
                    f"it holds {len(names):,} distinct values ({shown} ...); at most {MAX_CLASSES:,} classes",
                    remedy,
                )
            )

    def check_all(self, told: Told | None = None) -> None:
        """Raise UnreadableError where these are no labels of classes, or each example is nearly a class of its own.

        The second is told instead where it may be otherwise in the rest of a file, of which a part is looked at.
        """
        self.check()
        examples = sum(map(len, self.codes))
        if examples and len(self._known) > max(2, examples / 2):
            shown = ", ".join(repr(name[:40]) for name in list(self._known)[:5])
            what = f"of {examples:,} examples nearly each has a label of its own ({shown} ...)"
            fault = Fault(f"column {self.column}", what, "name the column that holds the classes: label=NAME")
            _refuse_or_warn("classes", [fault], told)

    def finish(
        self, options: Options, told: Told, given: Sequence[str] | None = None
    ) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """Give the names of the classes in their order, and the labels, int64 [N]; raises UnreadableError.

        `given` are names by numbers that the file carries.
        """
        self.check_all(told)
        codes = self.whole()
        if len(codes) < LEAST_EXAMPLES:
            detail = f"it has {len(codes)} examples with a label; at least {LEAST_EXAMPLES} are needed to train and to"
            fault = Fault("file", f"{detail} validate", "send more of them")
            _refuse_or_warn("few examples", [fault], told if len(codes) else None)
        self.check_strangers(codes, len(codes), told)
        self.tell(options, told)
        names = self.names()
        if given is not None:
            check_given(names, given, self.column)
        renamed = [by_given(name, given) for name in names]
        classes, of_name = _chosen(renamed, options, told)
        if len(classes) < 2:
            only = unlabelled.only_class(classes[0], self.dropped, self.column)
            _refuse_or_warn("one class", [only], told)
        mapping = np.empty(len(names), np.int64)
        for place, name in enumerate(names):
            mapping[self._known[name]] = classes.index(of_name[renamed[place]])
        return tuple(classes), mapping[codes]

    def tell(self, options: Options, told: Told) -> None:
        """Tell of labels that are words for nothing elsewhere, and of those that differ in their spelling alone."""
        if words := self.spoken - unlabelled.said(options):
            unlabelled.tell_spoken(words, self.column, told)
        spellings.tell(self._written, self.column, options, told)

    def check_strangers(self, codes: NDArray[np.int32], examples: int, told: Told | None = None) -> None:
        """Refuse single words among labels that are all whole numbers; there are so many examples in all."""
        names = list(self._known)
        words = [name for name in names if cells.whole(name) is None]
        counts = np.bincount(codes, minlength=len(names))
        strange = [name for name in words if counts[self._known[name]] <= max(1, examples // 1000)]
        several = len(names) - len(words) >= 2 or examples > len(codes)
        if several and words and len(strange) == len(words) <= MOST_FAULTS:
            faults = [
                Fault(
                    f"{self._first.get(name, 'a line')}, column {self.column}",
                    f"the label is {name[:40]!r}, and others are whole numbers",
                    "mend the label, or take out the line",
                )
                for name in strange
            ]
            _refuse_or_warn("labels of two kinds", faults, told)


def _refuse_or_warn(kind: str, faults: Sequence[Fault], told: Told | None) -> None:
    """Raise UnreadableError; or warn, where the rest of the file may show that it is not so."""
    if told is None or not told.has_more:
        raise UnreadableError(*faults)
    for fault in faults:
        told.warn(kind, f"{fault.where}: {fault.detail}; unless the rest of the file is otherwise, {fault.remedy}")


def normal(label: str, decimal: str = ".") -> str:
    """Give a label without blanks around it; whole numbers without sign, noughts or decimals that tell nothing."""
    text = label.strip()
    number = cells.whole(text if decimal == "." else text.replace(decimal, "."))
    return text if number is None else str(number)


def is_whole(name: str) -> bool:
    """Whether a class is a whole number."""
    return cells.whole(name) is not None


def order(names: Iterable[str]) -> Callable[[str], tuple[int, str]]:
    """Give by what classes are in order: by their numbers if all of them are whole ones, else by code point."""
    if all(cells.whole(name) is not None for name in names):
        return lambda name: (int(name), name)
    return lambda name: (0, name)


def check_given(names: Sequence[str], given: Sequence[str], column: str) -> None:
    """Refuse numbers for which the file itself has no name: -1 is what Hugging Face writes where no label is."""
    strange = [name for name in names if (number := cells.whole(name)) is not None and not 0 <= number < len(given)]
    if strange:
        raise UnreadableError(
            *(
                Fault(
                    f"column {column}",
                    f"examples have the label {name}, and the file names {len(given)} classes, from 0"
                    + ("; -1 says that an example has no label" if name == "-1" else ""),
                    "take them out, or mend the label",
                )
                for name in strange[:MOST_FAULTS]
            )
        )


def by_given(name: str, given: Sequence[str] | None) -> str:
    """Give the name that the file has for a number; or the name itself, where it has none."""
    if given is None or not name.isdecimal() or int(name) >= len(given):
        return name
    return given[int(name)]


def _chosen(names: Sequence[str], options: Options, told: Told) -> tuple[list[str], dict[str, str]]:
    """Give the classes in order, and which of them each label is, as the option `classes` says."""
    said = options.classes
    if said is None:
        return list(dict.fromkeys(names)), {name: name for name in names}
    unknown = [name for name in said if normal(name) not in names]
    if unknown and told.has_more:
        shown = ", ".join(repr(name[:40]) for name in unknown[:MOST_FAULTS])
        told.note("classes", f"no example that was looked at has the label {shown}")
    elif unknown:
        raise UnreadableError(
            *(
                Fault("classes", f"no example has the label {name!r}", named.nearest(name, names))
                for name in unknown[:MOST_FAULTS]
            )
        )
    if isinstance(said, dict):
        for name, new in said.items():
            if not new.strip():
                raise UnreadableError(Fault("classes", f"the new name of {name!r} is blank", "give it a name"))
            named.check_class(new.strip(), "classes", "give it a shorter name")
        of_name = {name: name for name in names} | {normal(name): new.strip() for name, new in said.items()}
        told.note("classes", f"{len(said)} labels have another name, as it was said")
        return list(dict.fromkeys(of_name[name] for name in names)), of_name
    order = [normal(name) for name in said]
    lacking = [name for name in names if name not in order]
    twice = [name for name, count in Counter(order).items() if count > 1]
    if lacking or twice:
        detail = (
            f"examples have the label {lacking[0]!r}, which is not among them"
            if lacking
            else f"{twice[0]!r} stands there twice"
        )
        raise UnreadableError(Fault("classes", detail, "name each class once, in the order that is wanted"))
    told.note("classes", "the classes are in the order that was said")
    return order, {name: name for name in names}
