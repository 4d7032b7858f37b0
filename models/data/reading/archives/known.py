"""Files that are ZIP archives and something else besides, by what they hold; and what to do instead."""

from collections.abc import Callable, Collection

from models.data.reading.found import Fault, UnreadableError
from models.data.reading.signature import PICKLE

_SHEET = "save the sheet as CSV and send that"
_TABLE = "save the table in it as CSV and send that"


def _ends(*ends: str) -> Callable[[Collection[str]], bool]:
    return lambda names: any(name.endswith(ends) for name in names)


def _has(*those: str) -> Callable[[Collection[str]], bool]:
    return lambda names: all(name in names for name in those)


def _office(start: str) -> Callable[[Collection[str]], bool]:
    # `xl` and `word` may be classes as well.
    return lambda names: "[Content_Types].xml" in names and any(name.startswith(start) for name in names)


_CIFAR = (
    "in Python, read each: rows = numpy.fromfile(FILE, numpy.uint8).reshape(-1, {bytes}), whose {labels}; write "
    "numpy.savez(FILE, images=rows[:, -3072:].reshape(-1, 3, 32, 32), labels=rows[:, {column}]), and send that"
)
_KNOWN: tuple[tuple[Callable[[Collection[str]], bool], str, str], ...] = (
    (_has("AndroidManifest.xml"), "an Android application (.apk)", "send the data themselves"),
    (_has("META-INF/container.xml"), "a book (.epub)", "send the data themselves"),
    (_has("META-INF/MANIFEST.MF"), "a Java archive (.jar)", "send the data themselves"),
    (_has("META-INF/manifest.xml"), "an OpenDocument file (.ods, .odt)", _SHEET),
    (_has("mimetype", "content.xml"), "an OpenDocument file (.ods, .odt)", _SHEET),
    (_has("Index/Document.iwa"), "an iWork document (.numbers, .pages)", _SHEET),
    (_has("xl/workbook.bin"), "an Office document (.xlsb)", _SHEET),
    (_office("xl/"), "an Office document (.xlsx)", _SHEET),
    (_office("word/"), "an Office document (.docx)", _TABLE),
    (_office("ppt/"), "an Office document (.pptx)", "save its pictures in folders of their classes, and send a ZIP"),
    (_has("[Content_Types].xml"), "an Office document (.xlsx, .docx)", _TABLE),
    (_has("model.weights.h5"), "a Keras network (.keras)", "send the examples that it learned from, not the network"),
    (
        _ends(*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"),
        "CIFAR-10 in its binary form",
        _CIFAR.format(bytes=3073, labels="first column is the label", column=0),
    ),
    (
        lambda names: _ends("train.bin")(names) and _ends("fine_label_names.txt")(names),
        "CIFAR-100 in its binary form",
        _CIFAR.format(bytes=3074, labels="second column is the fine label", column=1),
    ),
    (_ends("/data.pkl"), f"a file of PyTorch (.pt, .pth), which holds {PICKLE[0]}", PICKLE[1]),
    (_has("data.pkl"), f"a file of PyTorch (.pt, .pth), which holds {PICKLE[0]}", PICKLE[1]),
)


def check(names: Collection[str]) -> None:
    """Raise UnreadableError where an archive of these members is the file of a program, whatever their order."""
    every = frozenset(names)
    for is_it, what, remedy in _KNOWN:
        if is_it(every):
            raise UnreadableError(Fault("file", f"the file is {what}", remedy))
