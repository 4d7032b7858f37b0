"""Examples of a data set, as they are shown."""

from pydantic import BaseModel, Field


class ExampleView(BaseModel):
    """An example of a data set."""

    row: int = Field(description="Its place in the version, from 0.", examples=[17])
    label: str = Field(description="The name of its class.", examples=["setosa"])
    part: str | None = Field(
        description="`train`, `validation` or `test`, where the file says so itself.", examples=["train"]
    )
    values: dict[str, float | str | None] | None = Field(
        description="Of a table: numbers and levels by the names of their columns, `null` if missing.",
        examples=[{"petal length": 1.4, "colour": "blue"}],
    )
    image: str | None = Field(description="Of pictures: where this one is, as PNG.")


class ExamplePage(BaseModel):
    """Some examples of a version of a data set, in their order."""

    data: list[ExampleView]
    has_more: bool
    next: str | None = Field(description="Where the page after this one is.")
