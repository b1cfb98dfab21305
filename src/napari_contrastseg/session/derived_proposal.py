"""Proposals that follow from the labels as they are: never saved, changed by slices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from napari_contrastseg.io.scratch import copy_of, zeros
from napari_contrastseg.session.sources import Source
from napari_contrastseg.session.volume_record import Proposal

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: What is rejected before there is any round is noted under this number: no round has
#: it, so that the first round's answer is shown there.
BEFORE_ROUNDS: Final = 65535


@dataclass(frozen=True, eq=False)
class DerivedSlices:
    """What a source says of some slices.

    Attributes
    ----------
    slices : (n,) int
    labels : (n, rows, columns) uint8
        0 background, else a class id.
    confidence : (n, rows, columns) float16
    source : Source
    """

    slices: NDArray[np.intp]
    labels: NDArray[np.uint8]
    confidence: NDArray[np.float16]
    source: Source


@dataclass(frozen=True, eq=False)
class DerivedProposal(Proposal):
    """A proposal whose slices are replaced as better answers come.

    Attributes
    ----------
    axis : int
        Slice axis.
    sources : list of Source
        What each slice comes from.
    """

    axis: int = 0
    sources: list[Source] = field(default_factory=list)

    @classmethod
    def on(cls, base: Proposal | None, shape: tuple[int, int, int], axis: int) -> Self:
        """Begin with a copy of a round's proposal, or with nothing."""
        count = shape[axis]
        if base is None:
            empty = zeros(shape, np.uint8), zeros(shape, np.float16)
            return cls(BEFORE_ROUNDS, *empty, axis=axis, sources=[Source()] * count)
        return cls(
            base.round,
            copy_of(base.prediction),
            copy_of(base.confidence),
            base.source,
            axis,
            [base.source_at(i) for i in range(count)],
        )

    def source_at(self, index: int) -> Source:
        """Say what one slice comes from."""
        return self.sources[index]

    def frozen(self) -> DerivedProposal:
        """Copy it, as slices of it are replaced."""
        return type(self).on(self, self.prediction.shape, self.axis)

    def write(self, found: DerivedSlices) -> None:
        """Replace some slices."""
        here: list[Any] = [slice(None)] * 3
        for index, labels, confidence in zip(
            found.slices.tolist(), found.labels, found.confidence, strict=True
        ):
            here[self.axis] = index
            self.prediction[tuple(here)] = labels
            self.confidence[tuple(here)] = confidence
            self.sources[index] = found.source


def better_of(new: Proposal | None, shown: Proposal | None) -> Proposal | None:
    """Give a round's proposal, unless it says nothing where labels say something."""
    if not isinstance(shown, DerivedProposal):
        return new
    says_nothing = new is None or not new.prediction.any()
    return shown if says_nothing and shown.prediction.any() else new
