"""Whether recipes come above their controls: the table of orders, from stored cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.bench.compare.controls import (
    KINDS,
    against_controls,
    can_have,
    is_control,
    verdict,
)
from napari_contrastseg.bench.compare.summary import shown_difference
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import read_json
from napari_contrastseg.recipes import base_of, catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Found = dict[str, Any]

#: What a row is about, in the order of the rows.
SETTING: Final = ("dataset", "preset", "budget", "scale", "fraction", "recipe")


def orders_in(folder: Path) -> list[dict[str, Any]]:
    """Hold the recipes of all cells below a folder against their controls.

    Raises
    ------
    InputError
        There are no cells.
    """
    return orders(read_cells(folder))


def read_cells(folder: Path) -> list[Found]:
    """Read all cells below a folder that were tested on the test cases, as they are.

    Raises
    ------
    InputError
        There are none.
    """
    cells = []
    for path in sorted(folder.rglob("*-seed*.json")):
        found = read_json(path)
        if isinstance(found, dict) and "test_cases" in found and "request" in found:
            asked = found["request"]
            changed = ("inner", "steps", "start")
            if not any(asked.get(name) for name in changed):
                cells.append(found)
    if not cells:
        raise InputError(f"{folder}: holds no cells of bench methods.")
    return cells


def orders(cells: Sequence[Found]) -> list[dict[str, Any]]:
    """One row a recipe and setting: its Dice, its controls, and what that decides."""
    settings: dict[tuple[Any, ...], list[Found]] = {}
    for cell in cells:
        settings.setdefault(setting_of(cell), []).append(cell)
    rows = []
    for setting, together in sorted(settings.items(), key=lambda item: str(item[0])):
        recipes = {cell["recipe"] for cell in together if not is_control(cell)}
        for recipe in sorted(recipes):
            if not can_have(recipe) or base_of(recipe) not in catalogue():
                continue
            group = [c for c in together if c["recipe"] == recipe and not is_control(c)]
            controls = against_controls(group, together)
            rows.append(
                dict(zip(SETTING, (*setting, recipe), strict=True))
                | {
                    "folds": sorted({cell["fold"] for cell in group}),
                    "seeds": sorted({cell["seed"] for cell in group}),
                    "mean_dice": float(np.mean([c["mean_dice"] for c in group])),
                    "controls": controls,
                    "verdict": verdict(controls),
                }
            )
    return rows


def setting_of(cell: Found) -> tuple[Any, ...]:
    """Give data set, preset, budget, scale and labelled fraction of a cell."""
    asked = cell["request"]
    return (
        asked["dataset"],
        cell["preset"],
        cell["budget"],
        cell.get("scale"),
        cell["fraction"],
    )


def orders_table(rows: Sequence[dict[str, Any]]) -> str:
    """Write the rows as Markdown."""
    lines = [
        "| data, labelled | preset, budget | recipe | folds, seeds | Dice "
        "| control of equal steps | control of equal time | order |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        scale = f", {row['scale']:g} of the steps" if row["scale"] else ""
        cells = [
            f"{row['dataset']}, {row['fraction']:.2g}",
            f"{row['preset']}, {row['budget']}{scale}",
            f"`{row['recipe']}`",
            f"{len(row['folds'])}, {len(row['seeds'])}",
            f"{row['mean_dice']:.3f}",
            *(_control(row["controls"][kind]) for kind in KINDS),
            row["verdict"],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _control(gap: dict[str, Any] | None) -> str:
    """Write a control's Dice and steps, and the difference to it."""
    if gap is None:
        return "not run"
    steps = "-".join(str(n) for n in sorted({gap["steps"][0], gap["steps"][-1]}))
    return f"{gap['mean_dice']:.3f} ({steps} steps), {shown_difference(gap)}"
