"""Tables as CSV files, written whole or not at all."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.files import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def write_csv(
    path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()
) -> None:
    """Write a table, a line for each row.

    Parameters
    ----------
    path : Path
    rows : sequence of mapping
        They may have different columns.
    columns : sequence of str
        The first ones, which are there without rows, too.
    """
    every = list(dict.fromkeys([*columns, *(key for row in rows for key in row)]))
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.DictWriter(file, every)
        table.writeheader()
        table.writerows(rows)
