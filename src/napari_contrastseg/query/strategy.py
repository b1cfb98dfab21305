"""Query strategies: what one may choose from, and what a strategy answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_contrastseg.insight.slice_scores import SliceScores

#: Most slices that a strategy suggests in the window.
MOST: Final = 500
Reason = Literal["unsure", "sure", "chosen", "gap", "random", "unlike"]


@dataclass(frozen=True)
class Suggestion:
    """A slice to label or check next.

    Attributes
    ----------
    volume_id : str
    index : int
        Slice number.
    score : float
        What the strategy ranked it by; higher comes first.
    class_id : int
        The class most in doubt; 0 for background, or where the strategy does not ask.
    reason : str
        "unsure": expected error at the edge of that class; "sure": nothing is in
        doubt; "gap": far from other labelled slices; "unlike": looks unlike labelled
        slices; "random"; "chosen": by a person.
    dice : float
        Expected Dice; not a number where it is unknown.
    """

    volume_id: str
    index: int
    score: float
    class_id: int = 0
    reason: Reason = "unsure"
    dice: float = float("nan")


@dataclass(frozen=True, eq=False)
class PoolVolume:
    """The slices of one volume.

    Attributes
    ----------
    count : int
        Slices that it has.
    open : (n,) int
        Numbers of the slices that are not done, which may be suggested.
    scores : SliceScores, optional
        What the current round's prediction says of each slice.
    related : bool
        Whether neighbouring slices are alike; not in a stack of unrelated pictures.
    features : callable, optional
        Gives (count, d) float, a description of each slice; called only when needed.
    """

    count: int
    open: NDArray[np.int64]
    scores: SliceScores | None = None
    related: bool = True
    features: Callable[[], NDArray[np.float64]] | None = None


@dataclass(frozen=True, eq=False)
class Pool:
    """All slices that one may choose from.

    Attributes
    ----------
    volumes : mapping of volume id to PoolVolume
    right : (steps + 1,) float, optional
        How often a voxel of each confidence is right (see `Reliability`); without it
        confidence is taken as it is.
    seed : tuple of int
        For strategies that draw.
    most : int
        How many slices to suggest at most.
    """

    volumes: Mapping[str, PoolVolume]
    right: NDArray[np.float64] | None = None
    seed: tuple[int, ...] = (0,)
    most: int = MOST

    @property
    def scored(self) -> dict[str, tuple[PoolVolume, SliceScores]]:
        """Volumes of which a prediction is known."""
        return {
            name: (volume, volume.scores)
            for name, volume in self.volumes.items()
            if volume.scores is not None
        }


@dataclass(frozen=True)
class Strategy:
    """One way to choose the next slices: found by itself as a module's `STRATEGY`.

    Attributes
    ----------
    name : str
        On the command line and in reports.
    title : str
        In the window, a few words.
    summary : str
        One sentence for people who choose.
    query : callable of a Pool to a list of Suggestion
        The best first; each open slice at most once, no other slice, at most
        `Pool.most`. Equal pools give equal lists.
    needs_scores : bool
        Whether it needs a prediction; without one it suggests nothing.
    needs_features : bool
        Whether it asks for features of slices: images are read, so the window lets a
        thread do it.
    aliases : tuple of str
        Other names that the command line takes.
    """

    name: str
    title: str
    summary: str
    query: Callable[[Pool], list[Suggestion]]
    needs_scores: bool = False
    needs_features: bool = False
    aliases: tuple[str, ...] = field(default=())
