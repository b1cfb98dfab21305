"""What the papers print, by data set and number of labelled cases (docs/recipes)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """A table of a paper.

    Attributes
    ----------
    dataset : str
        Name of the data set's folder.
    paper : str
    metric : str
        The key of ours that is measured most alike.
    labelled : tuple of int
        Labelled training cases of the columns.
    rows : dict of the paper's name of a method to its column values
    ours : dict of a recipe to the paper's name of it
    """

    dataset: str
    paper: str
    metric: str
    labelled: tuple[int, ...]
    rows: dict[str, tuple[float, ...]]
    ours: dict[str, str]


TABLES = (
    Table(
        "Task04_Hippocampus",
        "Hu et al. 2021",
        "hu_pooled_dice",
        (7, 15, 31),
        {
            "random init": (0.788, 0.833, 0.852),
            "global (SimCLR)": (0.817, 0.834, 0.861),
            "global+local(self)": (0.808, 0.843, 0.858),
            "Mixup": (0.818, 0.847, 0.861),
            "TCSM": (0.796, 0.838, 0.855),
            "local(stride)": (0.818, 0.845, 0.860),
            "local(block)": (0.817, 0.843, 0.862),
            "global+local(stride)": (0.822, 0.851, 0.863),
            "global+local(block)": (0.824, 0.849, 0.866),
        },
        {
            "supervised": "random init",
            "simclr": "global (SimCLR)",
            "mixup": "Mixup",
            "mean_teacher": "TCSM",
            "hu2021": "global+local(stride)",
        },
    ),
    Table(
        "ACDC",
        "Chaitanya et al. 2020",
        "mean_dice",
        (1, 2, 8),
        {
            "random": (0.614, 0.702, 0.844),
            "GR": (0.631, 0.729, 0.847),
            "GD-": (0.683, 0.774, 0.864),
            "GD": (0.691, 0.784, 0.870),
            "GR+LR": (0.668, 0.760, 0.850),
            "GR+LD": (0.638, 0.740, 0.855),
            "GD+LR": (0.725, 0.789, 0.872),
        },
        {"supervised": "random", "simclr": "GR", "chaitanya2020": "GD+LR"},
    ),
    Table(
        "ACDC",
        "Basak et al. 2023",
        "mean_dice",
        (1, 2, 8),
        {"IDEAL": (0.738, 0.846, 0.879)},
        {"ideal2023": "IDEAL"},
    ),
    Table(
        "Kvasir-SEG",
        "Zhao et al. 2022",
        "mean_dice",
        (120,),
        {
            "U-Net": (0.6703,),
            "UAMT": (0.6987,),
            "URPC": (0.7083,),
            "CLCC": (0.7363,),
        },
        {
            "supervised": "U-Net",
            "urpc": "URPC",
            "clcc2022": "CLCC",
        },
    ),
)


def published(dataset: str, labelled: int, recipe: str) -> list[dict[str, Any]]:
    """Find what papers print for a recipe on so many labelled cases of a data set."""
    found = []
    for table in TABLES:
        if table.dataset != dataset or labelled not in table.labelled:
            continue
        row = table.ours.get(recipe)
        if row is not None:
            value = table.rows[row][table.labelled.index(labelled)]
            entry = {"paper": table.paper, "row": row, "metric": table.metric}
            found.append(entry | {"value": value})
    return found


def rows_beside(dataset: str, labelled: int) -> list[dict[str, Any]]:
    """Find all that papers print for so many labelled cases of a data set."""
    return [
        {
            "paper": table.paper,
            "row": row,
            "metric": table.metric,
            "value": values[table.labelled.index(labelled)],
        }
        for table in TABLES
        if table.dataset == dataset and labelled in table.labelled
        for row, values in table.rows.items()
    ]
