"""When the supervised local contrast helps: pairs of methods that differ in one thing.

Each pair is held against each other on the cells of `bench methods` that both have,
case by case, as `bench.compare.summary.difference` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.bench.compare.controls import (
    LEAST_FOLDS,
    LEAST_SEEDS,
    is_control,
)
from napari_contrastseg.bench.compare.orders import read_cells, setting_of
from napari_contrastseg.bench.compare.summary import difference, shown_difference

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Found = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """Two methods, as `--recipes` takes them, and what the first has beside."""

    question: str
    with_it: str
    without: str

    @property
    def row(self) -> dict[str, Any]:
        """What a table says of it."""
        return {
            "question": self.question,
            "with": self.with_it,
            "without": self.without,
        }


#: `hu2021` has the stages apart; `cross_image` and `contrast` are beside the labels.
PAIRS: Final = (
    Pair("global and local stage", "hu2021", "supervised"),
    Pair("local stage, after the global one", "hu2021", "hu2021+local_steps=0"),
    Pair("local stage alone", "hu2021+global_steps=0", "supervised"),
    Pair("global stage, before the local one", "hu2021", "hu2021+global_steps=0"),
    Pair("global stage alone", "hu2021+local_steps=0", "supervised"),
    Pair("every pixel, against every fourth row", "hu2021", "hu2021+sampling=stride"),
    Pair("every pixel, against blocks", "hu2021", "hu2021+sampling=block"),
    Pair("pairs by label, against pairs by place", "hu2021", "hu2021+pairs=self"),
    Pair("in fine-tuning, with remembered pixels", "cross_image", "supervised"),
    Pair("in fine-tuning of the default", "recommended+contrast=0.1", "recommended"),
    Pair("local stage of the default", "recommended", "recommended+local_steps=0"),
)


def pairs_in(folder: Path) -> list[dict[str, Any]]:
    """Hold the pairs against each other on all cells below a folder.

    Raises
    ------
    InputError
        There are no cells.
    """
    return pairs_of(read_cells(folder))


def pairs_of(cells: Sequence[Found]) -> list[dict[str, Any]]:
    """One row a pair and setting; a pair without any has one that says so."""
    groups: dict[tuple[Any, ...], dict[str, list[Found]]] = {}
    for cell in cells:
        if not is_control(cell):
            together = groups.setdefault(setting_of(cell), {})
            together.setdefault(cell["recipe"], []).append(cell)
    rows = []
    for pair in PAIRS:
        found = []
        for setting in sorted(groups, key=str):
            one, other = (
                groups[setting].get(name, []) for name in (pair.with_it, pair.without)
            )
            gap = difference(one, other)
            if gap is not None:
                dataset, preset, budget, scale, _ = setting
                slices = sorted({cell["labelled_slices"] for cell in one})
                found.append(
                    pair.row
                    | {
                        "dataset": dataset,
                        "preset": preset,
                        "budget": budget,
                        "scale": scale,
                        "labelled_slices": slices,
                        "dice": [_mean(one), _mean(other)],
                        "difference": gap,
                        "answer": _answer(gap),
                    }
                )
        rows += found or [pair.row | {"answer": "not run"}]
    return rows


def _mean(group: Sequence[Found]) -> float:
    return float(np.mean([cell["mean_dice"] for cell in group]))


def _answer(gap: dict[str, Any]) -> str:
    """Say what a difference decides, over two folds and two seeds at least."""
    enough = gap["folds"] >= LEAST_FOLDS and gap["seeds"] >= LEAST_SEEDS
    if not enough or gap["interval"] is None:
        return "not decided"
    low, high = gap["interval"]
    return "helps" if low > 0 else "costs" if high < 0 else "not decided"


def pairs_table(rows: Sequence[dict[str, Any]]) -> str:
    """Write the rows as Markdown."""
    lines = [
        "| what | with | without | data | labelled slices | folds, seeds | Dice "
        "| difference | answer |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row["question"], f"`{row['with']}`", f"`{row['without']}`"]
        if "difference" in row:
            gap, slices = row["difference"], row["labelled_slices"]
            scale = f", {row['scale']:g} of the steps" if row["scale"] else ""
            cells += [
                f"{row['dataset']}, {row['preset']}, {row['budget']}{scale}",
                "-".join(str(n) for n in sorted({slices[0], slices[-1]})),
                f"{gap['folds']}, {gap['seeds']}",
                " and ".join(f"{dice:.3f}" for dice in row["dice"]),
                shown_difference(gap),
            ]
        else:
            cells += [""] * 5
        lines.append(f"| {' | '.join([*cells, row['answer']])} |")
    return "\n".join(lines)
