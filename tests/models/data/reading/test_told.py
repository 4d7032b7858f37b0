"""What a reading tells beside what it took a file for: what to look at, what was left out, and why."""

from collections.abc import Callable

import numpy as np
import pytest

from models.data.schema import Images, Table
from tests.models.data.reading.forms import arff, digits, found_in, iris, lines, parquet, pixels, wine


def warned(data: bytes, **options: object) -> dict[str, str]:
    found, _ = found_in(data, **options)
    return {
        warning["kind"]: " | ".join([warning["detail"], *warning["examples"]]) for warning in found.reading["warnings"]
    }


def noted(data: bytes, what: str, **options: object) -> str:
    found, _ = found_in(data, **options)
    return " | ".join(note["detail"] for note in found.reading["notes"] if note["what"] == what)


def rows(of: Callable[[int], list[object]], count: int = 60, names: str = "a,b,label") -> bytes:
    return lines([of(row) for row in range(count)], names.split(","))


IMAGES, LABELS = digits()
SAME = np.concatenate([IMAGES[:1].repeat(20, axis=0), IMAGES[20:]])


def test_equal_examples_are_warned_of() -> None:
    said = warned(pixels(images=SAME))
    assert said["duplicates"] == (
        "19 of 40 examples are equal to another one; they may be in both parts | examples 1 and 2"
    )
    assert said["the same example many times"] == "example 1 is there 20 times"
    assert said["equal examples with different labels"].startswith(
        "1 examples are there with more than one label | example 1: 0 and "
    )
    assert "duplicates" not in warned(pixels())


def test_pictures_of_one_colour_and_dark_ones_on_light_ground_are_warned_of() -> None:
    blank = IMAGES.copy()
    blank[3] = 7
    assert warned(pixels(images=blank))["pictures of one colour"].endswith("all of their pixels are equal | example 4")
    assert "dark on light" in warned(pixels(images=255 - IMAGES))
    assert "dark on light" not in warned(pixels())


def test_digits_on_their_side_are_warned_of_only_where_that_can_be_seen() -> None:
    side = IMAGES.transpose(0, 2, 1)
    assert "say transpose=true if they lie on their side" in warned(pixels(images=side))["order of pixels"]
    assert "order of pixels" not in warned(pixels())
    found, examples = found_in(pixels(images=side), transpose=True)
    assert (examples.values == IMAGES).all()
    assert found.reading["taken_for"]["order"] == "columns"


def test_digits_that_do_not_lie_as_mnists_are_plain() -> None:
    assert "their centre of mass" in noted(pixels(images=np.roll(IMAGES, 5, axis=1)), "preparation")
    assert noted(pixels(images=np.roll(IMAGES, 5, axis=1)), "preparation", preparation="digits") == (
        "digits: so it was said"
    )
    assert "larger than the 20 x 20" in noted(
        pixels(images=np.kron(IMAGES[:, 6:20, 6:20], np.ones((2, 2), np.uint8))), "preparation"
    )


def test_small_and_strongly_differing_classes_are_warned_of() -> None:
    said = warned(rows(lambda row: [row / 7, row / 3, "usual" if row else "rare"]))
    assert said["small classes"] == "1 classes have too few examples to be in both parts | rare: 1"
    assert said["imbalance"].startswith("class 'usual' has 59 examples, and 'rare' has 1; class_weights=balanced")


def test_a_column_that_gives_the_label_away_is_warned_of() -> None:
    said = warned(rows(lambda row: [row / 7, "xyz"[row % 3], row % 3]))
    assert said["gives the label away"].startswith("column 'b' is another in each class, and the same within it")
    assert "gives the label away" not in warned(rows(lambda row: [row / 7, "xyz"[row % 3], row % 2]))


def test_numbers_that_look_like_categories_are_warned_of_and_may_be_taken_for_them() -> None:
    data = rows(lambda row: [row / 7, row % 5, row % 2])
    assert 'types={"b": "category"} says otherwise | 0 | 1' in warned(data)["numbers that look like categories"]
    found, _ = found_in(data, types={"b": "category"})
    assert isinstance(found.schema, Table)
    assert found.schema.columns[1].levels == ("0", "1", "2", "3", "4")


def test_labels_with_gaps_between_many_whole_numbers_are_warned_of() -> None:
    assert "labels that look like numbers" in warned(rows(lambda row: [row / 7, row / 3, row % 25 * 3]))
    assert "labels that look like numbers" not in warned(rows(lambda row: [row / 7, row / 3, row % 25]))


LEFT_OUT: dict[str, tuple[Callable[[int], object], str]] = {
    "constant": (lambda row: 7, "it is the same everywhere ('7')"),
    "empty": (lambda row: "", "nothing stands in it"),
    "dates": (lambda row: f"2020-01-{row % 28 + 1:02}", 'it holds dates; types={"b": "date"} takes them as days'),
    "free text": (lambda row: f"this is row {row}", "it is free text: nearly each row has a text of its own"),
    "codes": (lambda row: f"x{row}", "nearly each row has a text of its own"),
    "too many levels": (lambda row: f"x{row // 2 * 2 % 59}", "it holds 30 distinct texts"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_columns_that_are_no_use_are_left_out_and_told(name: str) -> None:
    of, why = LEFT_OUT[name]
    found, examples = found_in(rows(lambda row: [row / 7, of(row), row % 2], count=59 if name[0] == "t" else 60))
    (entry,) = found.reading["left_out"]
    assert entry["column"] == "b"
    assert why in entry["why"]
    assert isinstance(found.schema, Table)
    assert found.schema.ignored == ("b",)
    assert examples.values.shape[1] == 1


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("1970-01-02", 1.0),
        ("2000-01-01T12:00:00", 10957.5),
        ("31.12.1970", 364.0),
        ("12/31/1970", 364.0),
        ("31/12/1970", 364),
    ],
)
def test_dates_can_be_taken_as_days(text: str, days: float) -> None:
    _, examples = found_in(rows(lambda row: [row / 7, text if row else "", row % 2]), types={"b": "date"})
    assert np.isnan(examples.values[0, 1])
    assert (examples.values[1:, 1] == days).all()


def test_what_is_missing_is_counted_by_how_it_is_written() -> None:
    marks = ["", "?", "NA", "NaN", "null", "-", "_", "  ", "n/a", "None"]
    data = rows(lambda row: [marks[row] if row < len(marks) else row / 7, row / 3, row % 2])
    assert noted(data, "missing") == (
        'column \'a\' lacks 10 values: "" (2), "?" (1), "NA" (1), "NaN" (1), "null" (1), "-" (1), "_" (1), '
        '"n/a" (1), "None" (1)'
    )


def test_rows_without_a_label_are_dropped_from_a_table_and_told() -> None:
    found, examples = found_in(rows(lambda row: [row / 7, row / 3, "" if row == 4 else row % 2]))
    assert found.reading["dropped"] == [
        {"why": "no label stands in column 'label'", "count": 1, "examples": [{"where": "line 6", "text": ""}]}
    ]
    assert len(examples.labels) == 59
    assert (examples.values[4] == [5 / 7, 5 / 3]).all()


@pytest.mark.parametrize(
    ("cell", "number"),
    [("1.5", 1.5), (" 2 ", 2), ("1e3", 1000), ("+4", 4), (".5", 0.5), ('"1,234"', 1234), ('"1,234,567.5"', 1234567.5)],
)
def test_numbers_may_be_written_in_many_ways(cell: str, number: float) -> None:
    _, examples = found_in(rows(lambda row: [cell if row % 3 else "7.25", row / 3, row % 2]))
    assert set(examples.values[:, 0]) == {7.25, number}


def test_decimal_commas_and_thousands_with_points() -> None:
    data = lines(
        [["1.234,5" if row % 2 else f"{row},25", f"{row},5", "xy"[row % 2]] for row in range(30)], ["a", "b", "y"], ";"
    )
    found, examples = found_in(data)
    assert found.reading["taken_for"]["decimal"] == ","
    assert examples.values[:3].tolist() == [[0.25, 0.5], [1234.5, 1.5], [2.25, 2.5]]


@pytest.mark.parametrize("pair", ["no,yes", "False,True", "f,t", "N,Y", "0,1", "0.0,1.0"])
def test_booleans_are_known_by_their_words(pair: str) -> None:
    found, examples = found_in(rows(lambda row: [row / 7, pair.split(",")[row % 3 == 0], row % 2]))
    assert isinstance(found.schema, Table)
    assert found.schema.columns[1].type == "boolean"
    assert found.schema.columns[1].levels == tuple(pair.replace(".0", "").split(","))
    assert examples.values[:4, 1].tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("text", "encoding", "told"),
    [
        ("é,ü", "utf-8", "utf-8"),
        ("é,ü", "utf-8-sig", "utf-8"),
        ("é,ü", "utf-16", "utf-16-le"),
        ("é,ü", "utf-16-le", "utf-16-le"),
        ("é,ü", "utf-32", "utf-32-le"),
        ("é,€", "cp1252", "cp1252"),
        ("é,ü\x81", "latin-1", "latin-1"),
    ],
)
def test_encodings_are_found_and_told(text: str, encoding: str, told: str) -> None:
    names = text.split(",")
    data = rows(lambda row: [row / 7, row / 3, names[row % 2]]).decode().encode(encoding)
    found, _ = found_in(data)
    assert found.schema.classes == tuple(sorted(names))
    assert found.reading["taken_for"]["encoding"] == told
    guessed = told in {"cp1252", "latin-1"} or encoding == "utf-16-le"
    assert ("is a guess" in noted(data, "encoding")) == guessed


def test_what_only_turns_out_late_not_to_be_utf8_is_read_anew() -> None:
    data = rows(lambda row: [row / 7, "x" * 500, "xy"[row % 2]], 5000) + "1,2,é\n1,2,é\n".encode("cp1252")
    found, _ = found_in(data)
    assert found.schema.classes == ("x", "y", "é")
    assert found.reading["taken_for"]["encoding"] == "cp1252"


def test_comments_blank_lines_and_line_breaks_within_quotes() -> None:
    body = rows(lambda row: [row / 7, f'"two\nlines, {row % 2}"', "xy"[row % 2]])
    found, examples = found_in(b"# made by hand\n\n" + body.replace(b"x\n", b"x\n\n# here\n"))
    assert isinstance(found.schema, Table)
    assert found.schema.columns[1].levels == ("two\nlines, 0", "two\nlines, 1")
    assert len(examples.labels) == 60
    assert "1 lines that begin with # stand before" in noted(b"# made by hand\n" + body, "comments")


def test_names_behind_a_hash_are_a_header() -> None:
    found, _ = found_in(b"# " + rows(lambda row: [row / 7, row / 3, "xy"[row % 2]]))
    assert found.reading["taken_for"]["label"]["column"] == "label"


def test_names_that_come_twice_are_told_apart() -> None:
    data = rows(lambda row: [row / 7, row / 3, row % 2], names="a,a,label")
    assert noted(data, "header").endswith("the name 'a' stands there more than once; one is called 'a.1'")


def test_columns_without_a_name_are_called_by_their_place_or_are_an_index() -> None:
    data = rows(lambda row: [row / 7, row % 5, row % 2], names="a,,label")
    assert "column 1, counted from 0, has no name; it is called '1'" in noted(data, "header")
    found, _ = found_in(rows(lambda row: [f"row{row}", row / 3, row % 2], names=",b,label"))
    assert found.reading["left_out"] == [{"column": "", "why": "it has no name, and is another in each row"}]


def test_one_name_less_than_cells_is_an_index_without_a_name() -> None:
    found, _ = found_in(rows(lambda row: [row + 1, row / 3, row / 7, row % 2], names="b,c,label"))
    assert found.reading["left_out"] == [{"column": "", "why": "it counts the rows"}]


def test_columns_in_the_order_of_the_alphabet_are_put_right() -> None:
    names = sorted([f"pixel{place}" for place in range(100)])
    places = [int(name[5:]) for name in names]
    data = lines([[*((row + place) % 200 for place in places), row % 2] for row in range(30)], [*names, "label"])
    _, examples = found_in(data)
    assert examples.values[0].ravel().tolist() == list(range(100))


def test_classes_may_be_renamed_merged_and_put_in_order() -> None:
    found, examples = found_in(wine(), classes={"1": "Barolo", "2": "other", "3": "other"})
    assert found.schema.classes == ("Barolo", "other")
    assert np.bincount(examples.labels).tolist() == [59, 119]
    found, examples = found_in(wine(), classes=["3", "1", "2"])
    assert found.schema.classes == ("3", "1", "2")
    assert np.bincount(examples.labels).tolist() == [48, 59, 71]


def test_what_is_said_goes_before_what_would_be_found() -> None:
    found, _ = found_in(
        arff(40945), label="sex", ignore=["body", "boat"], types={"pclass": "category"}, unknown="refuse"
    )
    schema = found.schema
    assert isinstance(schema, Table)
    assert schema.label == "sex"
    assert schema.classes == ("female", "male")
    assert schema.unknown == "refuse"
    assert schema.columns[0].levels == ("1", "2", "3")
    assert set(schema.ignored) >= {"body", "boat", "name"}
    found, _ = found_in(pixels(), size=[14, 56], scale=[0, 510])
    assert isinstance(found.schema, Images)
    assert (found.schema.height, found.schema.width, found.schema.scale, found.schema.steps) == (14, 56, (0, 510), None)
    assert found_in(pixels(), kind="table")[0].schema.kind == "table"
    assert found_in(iris(), header=True, separator=",", encoding="utf-8")[0].examples == 150


def test_whole_numbers_order_classes_and_texts_go_by_their_letters() -> None:
    assert found_in(rows(lambda row: [row / 7, row / 3, [10, 9, "2.0"][row % 3]]))[0].schema.classes == ("2", "9", "10")
    assert found_in(rows(lambda row: [row / 7, row / 3, ["b", "B", " a "][row % 3]]))[0].schema.classes == (
        "B",
        "a",
        "b",
    )


def test_typed_columns_may_be_categories_booleans_and_days() -> None:
    days = np.arange(40).astype("datetime64[D]")
    data = parquet({"when": days, "label": [row % 2 == 0 for row in range(40)]})
    _, examples = found_in(data, types={"when": "date"})
    assert examples.values[:, 0].tolist() == list(range(40))


def test_labels_with_decimals_after_a_comma_are_whole_numbers_where_the_file_writes_numbers_so() -> None:
    lines = [f"{row % 3},0;{row},5;{row % 7},25" for row in range(30)]
    found, examples = found_in(("label;a;b\n" + "\n".join(lines) + "\n").encode())
    assert found.schema.classes == ("0", "1", "2")
    assert examples.labels.tolist() == [row % 3 for row in range(30)]
