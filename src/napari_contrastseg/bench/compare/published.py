"""Results tables of the five papers, and which of our methods each row is.

``published.json`` beside this file holds all rows as printed. A row has the `variant`
of a recipe that runs its method, as ``--recipe`` takes it, or says `why` there is none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from napari_contrastseg.recipes import base_of, catalogue, recipe_named

FILE = Path(__file__).with_name("published.json")


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes
    ----------
    name : str
        The paper's name of the method.
    values : tuple of str
        One a column, as printed.
    variant : str, optional
        The recipe that runs it: ``NAME+SETTING=VALUE``.
    why : str, optional
        Why none does.
    """

    name: str
    values: tuple[str, ...]
    variant: str | None = None
    why: str | None = None

    @property
    def recipe(self) -> str | None:
        """Name of the recipe that the variant is one of."""
        return None if self.variant is None else base_of(self.variant)


@dataclass(frozen=True)
class Table:
    """A table of a paper, or the part of it that is about one data set.

    Attributes
    ----------
    paper, table, data, metric : str
    columns : tuple of str
    rows : tuple of Row
    dataset : str, optional
        Name of the folder, where we have the data.
    labelled : tuple of int or None
        Labelled training cases of each column; None for columns of another measure.
    ours : str
        The key of ours that is measured most alike.
    """

    paper: str
    table: str
    data: str
    metric: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    dataset: str | None = None
    labelled: tuple[int | None, ...] = ()
    ours: str = ""


@cache
def tables() -> tuple[Table, ...]:
    """All tables, in the order of the papers."""
    found = []
    for entry in json.loads(FILE.read_text(encoding="utf-8")):
        rows = [Row(**row | {"values": tuple(row["values"])}) for row in entry["rows"]]
        lists = {key: tuple(entry.get(key, ())) for key in ("columns", "labelled")}
        found.append(Table(**entry | lists | {"rows": tuple(rows)}))
    return tuple(found)


def rows_of(recipe: str) -> list[tuple[Table, Row]]:
    """Rows that a recipe or a variant of it runs."""
    return [
        (table, row) for table in tables() for row in table.rows if row.recipe == recipe
    ]


def as_rows(recipe: str) -> list[dict[str, Any]]:
    """Rows that a recipe or a variant of it runs, as JSON: paper, table, data, row."""
    return [
        {
            "paper": table.paper,
            "table": table.table,
            "data": table.data,
            "row": row.name,
            "variant": row.variant,
            "metric": table.metric,
            "values": dict(zip(table.columns, row.values, strict=True)),
        }
        for table, row in rows_of(recipe)
    ]


def published(
    dataset: str, labelled: int, recipe: str, preset: str = "sound"
) -> list[dict[str, Any]]:
    """Find what papers print for a method on so many labelled cases of a data set.

    Parameters
    ----------
    dataset : str
    labelled : int
    recipe : str
        As ``--recipe`` takes it. A row is about it where every setting that the
        row's variant names has the same value in both, and no row of the same table
        names more that have.
    preset : str
        Whose values the settings have that are not named.
    """
    return [
        _entry(table, row, column)
        for table, column in _columns(dataset, labelled)
        for row in _alike(table, recipe, preset)
        if _number(row.values[column]) is not None
    ]


def rows_beside(dataset: str, labelled: int) -> list[dict[str, Any]]:
    """Find all that papers print for so many labelled cases of a data set."""
    return [
        _entry(table, row, column)
        for table, column in _columns(dataset, labelled)
        for row in table.rows
        if _number(row.values[column]) is not None
    ]


def _columns(dataset: str, labelled: int) -> list[tuple[Table, int]]:
    return [
        (table, table.labelled.index(labelled))
        for table in tables()
        if table.dataset == dataset and labelled in table.labelled
    ]


def _entry(table: Table, row: Row, column: int) -> dict[str, Any]:
    return {
        "paper": table.paper,
        "row": row.name,
        "metric": table.ours,
        "value": _number(row.values[column]),
    }


def _number(printed: str) -> float | None:
    """Dice of a cell, 0 to 1; percents and deviations are printed too."""
    text = printed.partition("±")[0].strip()
    try:
        value = float(text)
    except ValueError:
        return None
    return round(value / 100, 6) if value > 1 else value


def _alike(table: Table, recipe: str, preset: str) -> list[Row]:
    """Rows of a table that a method runs, those that name most of its settings."""
    found: list[tuple[int, Row]] = []
    for row in table.rows:
        if row.variant is None:
            continue
        pairs = list(zip(recipe.split("@"), row.variant.split("@"), strict=False))
        same_parts = recipe.count("@") == row.variant.count("@")
        if same_parts and all(_runs(*pair, preset) for pair in pairs):
            found.append((row.variant.count("="), row))
    most = max((count for count, _ in found), default=0)
    return [row for count, row in found if count == most]


def _runs(recipe: str, variant: str, preset: str) -> bool:
    """Whether a recipe has every setting that a variant names, with its value."""
    if base_of(recipe) != base_of(variant):
        return False
    named = [change.partition("=")[0] for change in variant.split("+")[1:]]
    mine, theirs = (_settings(name, preset) for name in (recipe, variant))
    return all(getattr(mine, name) == getattr(theirs, name) for name in named)


@cache
def _settings(recipe: str, preset: str) -> Any:
    if base_of(recipe) not in catalogue():  # a peer
        return None
    return recipe_named(recipe).presets[preset]
