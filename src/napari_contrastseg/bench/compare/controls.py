"""Controls of a recipe: `supervised` with as many steps, or with as much time.

A control has the network of the recipe, and every other setting that `supervised` has,
as the recipe has it; what is left out are the recipe's own stages and losses. That of
equal steps takes as many as the recipe's steps that see labels. That of equal time
takes as many as fit into the recipe's CPU seconds (on a GPU: its seconds) at the pace
of the first one.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from napari_contrastseg.bench.compare import peers
from napari_contrastseg.bench.compare.summary import BASELINE, difference
from napari_contrastseg.io.json import to_plain
from napari_contrastseg.learning.plan.shared_settings import RecipeSettings
from napari_contrastseg.recipes import base_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_contrastseg.bench.compare.cells import Cell

    Found = dict[str, Any]

Kind = Literal["steps", "time"]
KINDS: Final[tuple[Kind, ...]] = ("steps", "time")
#: Of the settings, those that a control does not take over: its steps are given, and
#: it is one network.
_OWN: Final = ("steps", "every_axis")
#: What an order needs to be decided.
LEAST_FOLDS, LEAST_SEEDS = 2, 2


def can_have(recipe: str) -> bool:
    """Whether a recipe has controls: it is neither a peer nor a control itself."""
    return recipe not in peers.PEERS and base_of(recipe) != BASELINE


def control_recipe(recipe: str, preset: str) -> str:
    """Name the variant of `supervised` that has a recipe's network and settings."""
    theirs, plain = (peers.settings(name, preset) for name in (recipe, BASELINE))
    changes = [
        f"{field.name}={json.dumps(_given(value))}"
        for field in fields(RecipeSettings)
        if field.name not in _OWN
        and (value := getattr(theirs, field.name)) != getattr(plain, field.name)
    ]
    return "+".join([BASELINE, *changes])


def _given(value: Any) -> Any:
    """Plain value; of a dataclass only what differs from its defaults."""
    if not is_dataclass(value):
        return to_plain(value)
    return {
        field.name: to_plain(getattr(value, field.name))
        for field in fields(value)
        if getattr(value, field.name) != field.default
    }


def control_cell(
    cell: Cell, kind: Kind, found: Found, first: Found | None
) -> Cell | None:
    """Make the control of a cell from what it found, and from its first control.

    None where the result is older than the figures that a control is made from.
    """
    steps = found.get("label_steps")
    if kind == "time" and steps and first is not None:
        theirs, own = (_seconds(one) for one in (found, first))
        steps = theirs and own and max(1, round(first["label_steps"] * theirs / own))
    if not steps or (kind == "time" and first is None):
        return None
    return replace(
        cell,
        recipe=control_recipe(cell.recipe, cell.preset),
        control_of=cell.recipe,
        control=kind,
        control_steps=int(steps),
    )


def _seconds(found: Found) -> float | None:
    key = "cpu_seconds" if found["device"] == "cpu" else "seconds"
    value = found.get(key)
    return None if value is None else float(value)


def is_control(found: Found) -> bool:
    """Whether a result is that of a control."""
    return bool(found.get("control"))


def against_controls(
    group: Sequence[Found], cells: Iterable[Found]
) -> dict[str, dict[str, Any] | None]:
    """Hold the results of a recipe against those of its controls, by kind."""
    recipe, fraction = group[0]["recipe"], group[0]["fraction"]
    every = [
        cell
        for cell in cells
        if is_control(cell)
        and cell["control_of"] == recipe
        and cell["fraction"] == fraction
    ]
    found: dict[str, dict[str, Any] | None] = {}
    for kind in KINDS:
        own = [cell for cell in every if cell["control"] == kind]
        gap = difference(group, own) if own else None
        found[kind] = gap and gap | {
            "mean_dice": sum(cell["mean_dice"] for cell in own) / len(own),
            "steps": sorted({cell["control_steps"] for cell in own}),
        }
    return found


def verdict(controls: dict[str, dict[str, Any] | None]) -> str:
    """Say whether a recipe's order is reproduced: above both its controls.

    A difference counts where its interval leaves out 0, over two folds and two seeds at
    least; below one of the controls, the order is not reproduced.
    """
    gaps = [gap for gap in controls.values() if gap is not None]
    decided = [
        gap["interval"]
        for gap in gaps
        if gap["folds"] >= LEAST_FOLDS
        and gap["seeds"] >= LEAST_SEEDS
        and gap["interval"] is not None
    ]
    if any(high < 0 for _, high in decided):
        return "not reproduced"
    both = len(decided) == len(KINDS) and all(low > 0 for low, _ in decided)
    return "reproduced" if both else "not decided"
