"""Tables and numbers as the pages have them."""

from collections.abc import Iterable


def number(value: float) -> str:
    """Write a number without a fraction of zero, and with its thousands set apart."""
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Draw a table, without the columns in which nothing stands."""
    columns = [column for column in zip(head, *rows, strict=True) if any(column[1:])]
    lines = [" | ".join(cell.replace("|", "\\|") for cell in line) for line in zip(*columns, strict=True)]
    lines.insert(1, " | ".join("---" for _ in columns))
    return "".join(f"| {line} |\n" for line in lines)
