"""What the colours of the map's points mean."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.session.classes import class_name
from napari_contrastseg.tasks.voxels import PROVENANCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_contrastseg.insight.feature_table import FeatureTable
    from napari_contrastseg.session.classes import Classes
    from napari_contrastseg.tasks.voxels import Described

    #: Name, which points, colour.
    Part = tuple[str, NDArray[np.bool_], str]

COLOURS: Final = ("class", "provenance", "confidence", "volume", "round")
BACKGROUND, NOTHING = "#9a9a9a", "#5a5a5a"
#: Okabe and Ito's palette, which most people can tell apart.
_ORIGINS: Final = (
    "#009e73",
    "#e69f00",
    "#56b4e9",
    "#d55e00",
    "#f0e442",
    "#882255",
    "#0072b2",
    "#cc79a7",
    "#7a7a7a",
)
_STEPS: Final = (0.0, 0.5, 0.7, 0.9, 0.97, 1.01)
#: Diameters of points that are labelled and of others, pixels, and how solid they are.
LARGE, SMALL, SOLID, FAINT = 7, 5, "ff", "80"


@dataclass(frozen=True, eq=False)
class Group:
    """Points that look alike and have one line in the legend.

    Attributes
    ----------
    name : str
        In the legend; "" where it belongs to the group before.
    rows : (k,) int
    colour : str, #rrggbb or #rrggbbaa
    size : int, pixels
    """

    name: str
    rows: NDArray[np.intp]
    colour: str
    size: int


def class_colours(classes: Classes) -> dict[int, str]:
    """Give the colours of class ids, 0 for background."""
    return {0: BACKGROUND} | {c.id: c.colour for c in classes}


def groups(
    kind: str, table: FeatureTable, about: Described, classes: Classes
) -> list[Group]:
    """Put points together by colour; those that a person labelled are larger.

    A group without a name belongs to the one before it.
    """
    makers = {
        "class": _by_class,
        "provenance": _by_provenance,
        "confidence": _by_confidence,
        "volume": _by_volume,
        "round": _by_round,
    }
    found = []
    for name, mask, colour in makers[kind](table, about, classes):
        parts = [(table.known, LARGE, SOLID), (~table.known, SMALL, FAINT)]
        rows = [(np.flatnonzero(mask & some), size, a) for some, size, a in parts]
        named = name
        for some, size, alpha in rows:
            if len(some):
                found.append(Group(named, some, colour + alpha, size))
                named = ""
    return found


def _by_class(_t: FeatureTable, about: Described, classes: Classes) -> Iterable[Part]:
    colours = {-1: NOTHING} | class_colours(classes)
    for k in np.unique(about.label).tolist():
        name = class_name(classes, k) if k >= 0 else "not predicted yet"
        yield name, about.label == k, colours.get(k, "#ff00ff")


def _by_provenance(
    _t: FeatureTable, about: Described, _classes: Classes
) -> Iterable[Part]:
    for colour, (key, name) in zip(_ORIGINS, PROVENANCE.items(), strict=True):
        yield name, about.provenance == key, colour


def _by_confidence(
    _t: FeatureTable, about: Described, _classes: Classes
) -> Iterable[Part]:
    ramp = _viridis()
    for at, (low, high) in enumerate(pairwise(_STEPS)):
        mask = (about.confidence >= low) & (about.confidence < high)
        name = f"{low:.2f} to {min(high, 1):.2f}"
        yield name, mask, ramp.map((at + 1) / (len(_STEPS) - 1), mode="qcolor").name()
    yield "not predicted yet", np.isnan(about.confidence), NOTHING


def _by_volume(table: FeatureTable, _a: Described, _c: Classes) -> Iterable[Part]:
    import pyqtgraph as pg  # noqa: PLC0415  loaded once there is a map

    for number in np.unique(table.volume).tolist():
        yield (
            table.names[number],
            table.volume == number,
            pg.intColor(number, len(table.names)).name(),
        )


def _by_round(_t: FeatureTable, about: Described, _c: Classes) -> Iterable[Part]:
    ramp, last = _viridis(), max(1, int(about.round.max(initial=0)))
    for number in np.unique(about.round).tolist():
        name = f"done before round {number}" if number else "not done, or not learned"
        colour = ramp.map(number / last, mode="qcolor").name() if number else NOTHING
        yield name, about.round == number, colour


def _viridis() -> Any:
    import pyqtgraph as pg  # noqa: PLC0415  loaded once there is a map

    return pg.colormap.get("viridis")
