"""View of a stage: which slices it sees, batch size, augmentation. Free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

#: Largest numbers of an augmentation; others have none.
_MOST: Final = {
    "rotation": 360.0,
    "shift": 1.0,
    "elastic": 1.0,
    "brightness": 1.0,
    "contrast": 1.0,
    "cut_mix": 1.0,
    "chance": 1.0,
}


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a slice; 0 or None switches one off.

    Attributes
    ----------
    rotation : float, degrees
    scale : (low, high) factor, or None
    shift : float, fraction of the side
    elastic : float, typical displacement as a fraction of the side
    mirror : bool
        Along the axes that the cohort allows to be mirrored (`InputSpec.mirror`).
    turns : bool
        By a random multiple of 90 degrees; of 180 where sides differ.
    brightness, contrast : float, largest relative change
    added : (mean, standard deviation) or None
        A constant is added, drawn from a normal distribution, on the unit intensity
        range; nothing is clipped.
    gamma : (low, high) exponent, or None
    noise : float, standard deviation on the unit intensity range
    blur : float, largest Gaussian sigma in pixels
    cut_mix : float
        Probability that a box of the slice is taken from another one (CutMix).
    alone : float
        With n labelled slices a slice stands in for its own neighbours with probability
        alone / (alone + n), at most 1/2: from few slices a network learns neighbours
        by heart.
    chance : float
        Probability of each change.
    """

    rotation: float = 0.0
    scale: tuple[float, float] | None = None
    shift: float = 0.0
    elastic: float = 0.0
    mirror: bool = False
    turns: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    added: tuple[float, float] | None = None
    gamma: tuple[float, float] | None = None
    noise: float = 0.0
    blur: float = 0.0
    cut_mix: float = 0.0
    alone: float = 0.0
    chance: float = 0.5

    def __post_init__(self) -> None:
        for name in (*_MOST, "noise", "blur", "alone"):
            value, most = getattr(self, name), _MOST.get(name, math.inf)
            if not (math.isfinite(value) and 0 <= value <= most):
                allowed = "0 or above" if most == math.inf else f"within 0 and {most:g}"
                raise ValueError(f"{name} is {value:g} and must be {allowed}")
        for name in ("scale", "gamma"):
            low, high = getattr(self, name) or (1.0, 1.0)
            if not 0 < low <= high < math.inf:
                raise ValueError(f"{name} must be two numbers above 0, the lower first")
        mean, deviation = self.added or (0.0, 0.0)
        if not (math.isfinite(mean) and 0 <= deviation < math.inf):
            raise ValueError("added must be a mean and a deviation of 0 or above")


NO_AUGMENTATION = Augmentation()
SMALLEST_BATCH, FEWEST_VOLUMES = 4, 2
#: Twenty-four slices of 64 x 64.
PIXELS_PER_BATCH = 24 * 64 * 64
STRONG = Augmentation(
    rotation=20,
    scale=(0.8, 1.25),
    shift=0.08,
    elastic=0.03,
    mirror=True,
    brightness=0.2,
    contrast=0.25,
    gamma=(0.7, 1.5),
    noise=0.04,
    blur=1.0,
)
INTENSITY_ONLY = Augmentation(
    brightness=0.25, contrast=0.3, gamma=(0.7, 1.5), noise=0.05, blur=1.0, chance=0.7
)


def moves(changes: Augmentation) -> bool:
    """Whether an augmentation moves pixels to other places."""
    return bool(
        changes.rotation
        or changes.scale
        or changes.shift
        or changes.elastic
        or changes.mirror
        or changes.turns
        or changes.cut_mix
    )


@dataclass(frozen=True)
class View:
    """Which slices a stage sees, how many at once, and how they are changed.

    `copies` is the number of differently augmented views of each slice. `pixels`
    bounds the pixels of a batch, so that large slices come in smaller batches and a
    time budget still holds many steps; it never goes below `SMALLEST_BATCH` slices.
    With `partitions` S each volume is parted in S along the slice axis, and a batch
    holds one slice of every part of some volumes (Chaitanya et al. 2020). Where every
    slice is labelled, ``unlabelled`` are all.
    """

    slices: Literal["labelled", "unlabelled", "all"]
    batch: int
    copies: int = 1
    augmentation: Augmentation = NO_AUGMENTATION
    pixels: int | None = None
    partitions: int = 0

    def batch_for(self, rows: int, columns: int) -> int:
        """Return how many slices of a size make a batch."""
        if self.pixels is None:
            return self.batch
        fits = self.pixels // (rows * columns)
        if self.partitions:  # whole volumes, and two of them at least
            volumes = max(fits // self.partitions, FEWEST_VOLUMES)
            return min(self.batch, volumes * self.partitions)
        return max(min(self.batch, fits), min(self.batch, SMALLEST_BATCH))

    def epoch(self, rows: int, columns: int, labelled: int, slices: int) -> float:
        """Return how many batches hold each slice of the view once, on average.

        Parameters
        ----------
        rows, columns : int
            Of a slice.
        labelled, slices : int
            How many are labelled, and how many there are.
        """
        seen = {
            "labelled": labelled,
            "unlabelled": slices - labelled or slices,
            "all": slices,
        }
        return seen[self.slices] / self.batch_for(rows, columns)
