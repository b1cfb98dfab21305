"""Slice axis: which array axis of each volume its slices lie along.

A cohort has one rule, and each volume its own axis that follows from it: files differ
in the order and direction of their axes, and patients in how they lie in the scanner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from napari_contrastseg.io.volume import default_axis

if TYPE_CHECKING:
    from napari_contrastseg.io.volume import Volume

Rule = Literal["coarsest", "file", "array"]


@dataclass(frozen=True)
class SliceAxis:
    """A rule that gives every volume of a cohort its slice axis.

    Attributes
    ----------
    rule : {"coarsest", "file", "array"}
        The axis of the coarsest spacing; axis `number` of each file's own array; or
        axis `number` of the volumes' arrays, as models and sessions had it before each
        volume had an axis of its own.
    number : int
    """

    rule: Rule = "coarsest"
    number: int = 0

    def __post_init__(self) -> None:
        if self.number not in (0, 1, 2):
            raise ValueError(f"a volume has no axis {self.number}")

    def of(self, volume: Volume) -> int:
        """Find a volume's axis."""
        if self.rule == "file":
            return volume.source.volume_axis(self.number)
        return default_axis(volume) if self.rule == "coarsest" else self.number

    def on(self, volume: Volume) -> Volume:
        """Give a volume its axis."""
        axis = self.of(volume)
        return volume if axis == volume.axis else replace(volume, axis=axis)


COARSEST: Final = SliceAxis()
