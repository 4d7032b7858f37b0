"""What may be read in two ways: it is read in the likelier one, which is told, or it is refused; never by chance."""

import random
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from models.data.schema import Images, Table
from tests.models.data.reading.forms import digits, faults_of, found_in, lines, parquet, pixels

RANDOM = random.Random(1)
NUMBERS = [round(RANDOM.uniform(0.1, 0.9), 4) for _ in range(7000)]


def table(of: Callable[[int], list[object]], count: int = 60, names: str | None = "u,v,label") -> bytes:
    return lines([of(row) for row in range(count)], None if names is None else names.split(","))


def labelled(of: Callable[[int], object], count: int = 60, names: str | None = "u,v,label") -> bytes:
    return table(lambda row: [NUMBERS[2 * row], NUMBERS[2 * row + 1], of(row)], count, names)


def told(data: bytes, **options: object) -> str:
    """Give all notes and warnings of a file, a line each."""
    found, _ = found_in(data, **options)
    notes = [f"{note['what']}: {note['detail']}" for note in found.reading["notes"]]
    warnings = [f"{one['kind']}: {one['detail']} {one['examples']}" for one in found.reading["warnings"]]
    return "\n".join(notes + warnings)


PLAIN = labelled(lambda row: "xy"[row % 2])
ENDS = {
    "a lone return after the header": PLAIN.replace(b"\n", b"\r", 1),
    "returns alone, and one line feed": PLAIN.replace(b"\n", b"\r").rstrip(b"\r") + b"\n",
    "a return within a name": PLAIN.replace(b"u", b'"u\rw"', 1),
    "both together, within a name": PLAIN.replace(b"\n", b"\r\n").replace(b"u", b'"u\r\nw"', 1),
    "every third": b"".join(
        line + (b"\r" if row % 3 else b"\r\n") for row, line in enumerate(PLAIN.splitlines(keepends=False))
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_no_row_is_lost_however_lines_end(name: str) -> None:
    found, examples = found_in(ENDS[name])
    assert examples.values[:, 1].tolist() == NUMBERS[1:120:2]
    assert ("carriage returns that stand alone" in told(ENDS[name])) == (name != "both together, within a name")
    assert not found.reading["dropped"]


def test_faults_have_their_line_where_lines_end_with_returns() -> None:
    data = labelled(lambda row: row % 2).replace(b"\n", b"\r", 3).replace(f"{NUMBERS[80]}".encode(), b"seven", 1)
    assert faults_of(data)[0].startswith("line 42, column u: 'seven'")


def test_a_comma_before_three_digits_is_a_decimal_one_between_semicolons_and_else_sets_off_thousands() -> None:
    rows: list[list[object]] = [[f"{row % 9 + 1},{row + 100}", f"7,{954 - row}", "xy"[row % 2]] for row in range(60)]
    semicolons = lines(rows, ["a", "b", "label"], ";")
    _, examples = found_in(semicolons)
    assert examples.values[0].tolist() == [1.1, 7.954]
    assert "1,100 is taken for a number with decimals, as semicolons" in told(semicolons)
    assert "decimal=. says otherwise" in told(semicolons)
    _, examples = found_in(semicolons, decimal=".")
    assert examples.values[0].tolist() == [1100, 7954]
    tabs = lines(rows, ["a", "b", "label"], "\t")
    _, examples = found_in(tabs)
    assert examples.values[0].tolist() == [1100, 7954]
    assert "'1,100' is taken for thousands, which are set off by a comma; decimal=\",\" says" in told(tabs)
    assert found_in(tabs, decimal=",")[1].values[0].tolist() == [1.1, 7.954]


@pytest.mark.parametrize("other", ["1,234.5", "1,234,567", "0.5"])
def test_one_cell_that_can_only_be_read_in_one_way_decides_for_all(other: str) -> None:
    data = lines([["9,795", other, "xy"[row % 2], row / 7] for row in range(60)], ["a", "b", "label", "c"], ";")
    found, _ = found_in(data)
    assert found.reading["taken_for"]["decimal"] == "."
    assert "taken for thousands" not in told(data)


def test_decimal_of_parquet_is_refused() -> None:
    data = parquet({"a": [1.5, 2.5] * 20, "label": [0, 1] * 20})
    assert faults_of(data, decimal=",")[0].startswith("decimal: `decimal` was said, and the file is Parquet")


CLASSES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "signs": ("+-", ("+", "-"), "'-' in column 'label' is taken for a class"),
    "signs and nought": ("+-0", ("+", "-", "0"), "'-' in column 'label' is taken for a class"),
    "dot and dash": (".-", ("-", "."), "'-' in column 'label' is taken for a class"),
    "blank and sign": ("+-", ("+", "-"), "is taken for a class, as the others are written likewise"),
}


@pytest.mark.parametrize("name", CLASSES)
def test_signs_beside_signs_are_classes(name: str) -> None:
    marks, classes, sentence = CLASSES[name]
    data = labelled(lambda row: "" if name[0] == "b" and row == 9 else marks[row % len(marks)])
    found, examples = found_in(data)
    assert found.schema.classes == classes
    assert len(examples.labels) == 60 - (name[0] == "b")
    assert sentence in told(data)


def test_na_is_a_class_among_codes_of_two_letters_and_none_among_words() -> None:
    regions = labelled(lambda row: ("NA", "EU", "AS")[row % 3])
    assert found_in(regions)[0].schema.classes == ("AS", "EU", "NA")
    words = labelled(lambda row: ("NA", "setosa", "virginica")[row % 3])
    found, _ = found_in(words)
    assert found.schema.classes == ("setosa", "virginica")
    assert found.reading["dropped"][0]["count"] == 20
    assert (
        "20 of 60 rows are dropped, as no label stands in column 'label'; 'NA' (20) is taken to say so, and "
        'classes={"NA": "NA"} makes it a class' in told(words)
    )
    assert found_in(words, classes={"NA": "other"})[0].schema.classes == ("other", "setosa", "virginica")
    assert found_in(words, classes=["virginica", "setosa", "NA"])[0].schema.classes == ("virginica", "setosa", "NA")


def test_all_else_being_one_class_the_word_for_none_is_named() -> None:
    assert faults_of(labelled(lambda row: ("null", "yes")[row % 2]))[0] == (
        "column label: all examples have the label 'yes'; at least 2 classes are needed, and 'null' is taken for none; "
        'if that is a class, say so: classes={"null": "null"} makes it a class'
    )


def test_many_blank_labels_are_warned_of_and_few_are_dropped_and_told() -> None:
    assert "dropped for want of a label: 20 of 60 rows" in told(labelled(lambda row: ("", "x", "y")[row % 3]))
    assert "for want" not in told(labelled(lambda row: "xy"[row % 2] if row else "", 200))


def test_signs_are_labels_without_a_header_and_of_pictures() -> None:
    found, _ = found_in(labelled(lambda row: "+-"[row % 2], names=None))
    assert (found.reading["taken_for"]["label"]["place"], found.schema.classes) == (2, ("+", "-"))
    found, examples = found_in(pixels(of_label=lambda label: "?!-"[label % 3]))
    assert found.schema.classes == ("!", "-", "?")
    assert (examples.values == digits()[0]).all()
    assert "no label ('?' stands there)" in faults_of(pixels(of_label=lambda label: "?ab"[label % 3]))[0]


def test_planes_of_colours_are_brought_side_by_side_and_told() -> None:
    wanted = np.random.default_rng(0).integers(0, 256, (30, 8, 9, 3)).astype(np.uint8)
    column = pa.array(wanted.transpose(0, 3, 1, 2).tolist(), pa.list_(pa.list_(pa.list_(pa.uint8()))))
    data = parquet({"image": column, "label": ["a", "b", "c"] * 10})
    found, examples = found_in(data)
    assert isinstance(found.schema, Images)
    assert found.schema.shape == (8, 9, 3)
    assert (examples.values == wanted).all()
    assert "its planes, which stand one after the other, are brought side by side" in told(data)
    named = [f"pixel_{colour}_{row}_{at}" for colour in range(3) for row in range(8) for at in range(9)]
    rows = [[row % 2, *picture.transpose(2, 0, 1).ravel()] for row, picture in enumerate(wanted)]
    assert (found_in(lines(rows, ["label", *named]))[1].values == wanted).all()


def test_one_plane_of_grey_is_no_dimension_of_its_own() -> None:
    wanted = np.random.default_rng(0).integers(0, 256, (30, 6, 9)).astype(np.uint8)
    data = parquet({"image": wanted[:, None].tolist(), "label": [0, 1] * 15})
    assert (found_in(data)[1].values == wanted).all()


@pytest.mark.parametrize("names", ["2019,2020,2021,2022,class", "2019,2020,2021,2022,region", "0.1,0.2,0.3,0.4,class"])
def test_names_that_are_mostly_numbers_are_a_header(names: str) -> None:
    data = table(lambda row: [*NUMBERS[4 * row : 4 * row + 4], "xy"[row % 2]], names=names)
    found, _ = found_in(data)
    assert found.schema.classes == ("x", "y")
    assert isinstance(found.schema, Table)
    assert [column.name for column in found.schema.columns] == names.split(",")[:4]
    assert "header=false says otherwise" in told(data)


@pytest.mark.parametrize("first", ["1,2,3,4,5,a", "0,1,2,3,4,b", "3,1,2,2,5,c"])
def test_a_first_example_of_numbers_in_steps_is_no_header(first: str) -> None:
    rows: list[list[object]] = [[*(RANDOM.randint(0, 6) for _ in range(5)), "ab"[row % 2]] for row in range(60)]
    rows[0] = list(first.split(","))
    found, examples = found_in(lines(rows))
    assert examples.values[0].tolist() == [float(cell) for cell in first.split(",")[:5]]
    assert found.examples == 60
    assert "header=true says otherwise" in told(lines(rows))


def test_a_column_that_begins_to_vary_late_may_be_the_label_as_well() -> None:
    def row_of(row: int) -> list[object]:
        return ["MF"[RANDOM.randint(0, 1)], NUMBERS[2 * row], NUMBERS[2 * row + 1], "ab"[row // 1500]]

    data = table(row_of, 3000, None)
    assert faults_of(data)[0].endswith("these may hold classes: 0, 3; say which column it is: label=3")
    assert found_in(data, label=3)[0].schema.classes == ("a", "b")
    numbered = table(lambda row: [row_of(row)[0], NUMBERS[row], row // 1500], 3000, None)
    assert "these may hold classes: 0, 2" in faults_of(numbered)[0]
    assert "these may hold classes: 0, 1" in faults_of(table(lambda row: ["MF"[row % 2], row % 3], 60, None))[0]
    assert found_in(table(lambda row: [row % 3, NUMBERS[row], "MF"[row % 2]], 60, None))[0].schema.classes == ("F", "M")


def test_a_pixel_that_looks_like_a_label_among_the_first_rows_does_not_hide_the_label() -> None:
    rows = [[row // 1100, *[row % 200] * 63, row % 10] for row in range(3300)]
    fault = faults_of(lines(rows))[0]
    assert "whether the first or the last column holds the classes cannot be told: 0, 1, 2, and 0, 1, 2" in fault


HASHES = "".join(
    f"{('#ff0000', 'blue', 'green')[row % 3]},{NUMBERS[row]},{'xy'[row % 2]}\n" for row in range(60)
).encode()


def test_examples_that_begin_with_a_hash_are_no_remarks() -> None:
    for above in (b"# made\nc,u,label\n", b"# made\n"):
        data = above + HASHES.replace(b"blue", b"# a remark\nblue", 1)
        found, examples = found_in(data, types={"c" if b"c," in above else "0": "category"}, label=2)
        assert isinstance(found.schema, Table)
        assert examples.values[:, 1].tolist() == NUMBERS[:60]
        assert found.schema.columns[0].levels == ("#ff0000", "blue", "green")
    assert "2 lines that begin with # stand before the rows; such lines are left out, unless they have 3 cells" in told(
        data, label=2
    )


def test_a_hash_before_a_number_takes_an_example_out_and_one_within_quotes_is_a_cell() -> None:
    body = labelled(lambda row: '"x\n# y"' if row % 2 else "z").replace(f"{NUMBERS[8]},".encode(), b"#5,", 1)
    found, examples = found_in(b"# made\n" + body)
    assert found.schema.classes == ("x\n# y", "z")
    assert len(examples.labels) == 59
    assert "unless they have 3 cells as the others and no number after the #" in told(b"# made\n" + body)


def test_nothing_may_be_missing_however_it_is_written() -> None:
    for mark in ("", ".", "none", "--", "?"):
        data = table(lambda row, mark=mark: [mark if row == 4 else NUMBERS[row], row / 7, row % 2])  # type: ignore[misc]
        assert faults_of(data, missing="refuse")[0].startswith("column u: nothing stands in 1 of its cells")


@pytest.mark.parametrize(("there", "kind"), [("yes", "category"), ("5", "number")])
@pytest.mark.parametrize("nothing", ["", "NA"])
def test_what_is_there_or_not_is_kept(there: str, kind: str, nothing: str) -> None:
    data = table(lambda row: [NUMBERS[row], there if row % 3 else nothing, row % 2])
    found, examples = found_in(data)
    assert isinstance(found.schema, Table)
    assert (found.schema.columns[1].type, found.schema.columns[1].missing) == (kind, True)
    assert np.isnan(examples.values[:, 1]).tolist() == [row % 3 == 0 for row in range(60)]
    assert f"column 'v' holds {there!r} or nothing, and is kept for telling which; ignore=[\"v\"] leaves" in told(data)


def test_one_gap_among_many_equal_cells_tells_nothing() -> None:
    found, _ = found_in(table(lambda row: [NUMBERS[row], "yes" if row else "", row % 2], 300))
    assert found.reading["left_out"] == [
        {"column": "v", "why": "it is the same everywhere ('yes', but for 1 cells in which nothing stands)"}
    ]


def test_labels_in_several_spellings_are_told() -> None:
    said = told(labelled(lambda row: ("01", "1", "2", "+2")[row % 4]))
    assert "labels that are one number: 2 classes of column 'label' are written in more than one way" in said
    assert "'01' and '1' are '1'" in said
    assert "without sign, noughts and decimals: '007' is '7'" in told(labelled(lambda row: ("007", "008")[row % 2]))
    apart = labelled(lambda row: ("True", "true", "0.5", "0.50", "other")[row % 5])
    assert found_in(apart)[0].schema.classes == ("0.5", "0.50", "True", "other", "true")
    assert 'classes={"true": "True", "0.50": "0.5"} makes them one' in told(apart)
    assert "nearly alike" not in told(apart, classes={"true": "True", "0.50": "0.5"})
    assert "spelling" not in told(PLAIN)


def test_numbers_that_the_file_has_no_name_for_are_no_labels() -> None:
    metadata = {b"huggingface": b'{"info": {"features": {"label": {"names": ["cat", "dog"]}}}}'}
    data = parquet({"a": NUMBERS[:60], "label": [(0, 1, -1)[row % 3] for row in range(60)]}, metadata)
    assert faults_of(data)[0] == (
        "column label: examples have the label -1, and the file names 2 classes, from 0; -1 says that an example has "
        "no label; take them out, or mend the label"
    )


def test_a_class_has_a_name() -> None:
    assert faults_of(PLAIN, classes={"x": " "}) == ["classes: the new name of 'x' is blank; give it a name"]
