"""Sources of proposals: what they see of a volume, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from napari_contrastseg.proposers.truth_by_slice import TruthBySlice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    #: First and last row, first and last column of a part of a slice.
    Box = tuple[tuple[int, int], tuple[int, int]]
    #: Displacements, (2, y, x), in a part of one slice to another slice.
    Flows = dict[tuple[Box, int, int], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class LabelledVolume:
    """One volume and what is known of it, the slice axis first.

    Attributes
    ----------
    truth : (z, y, x) int, an array or a TruthBySlice
        -1 unknown, -2 unknown and not to be guessed, 0 background, else a class id.
    classes : tuple of int
        Class ids, in the order of an answer's channels 1, 2, ...
    image : callable of a slice number to (channels, y, x) float32
        Reads one slice of the image, with grey values of about 0 to 1; called only
        where a source looks at the image.
    spacing : (3,) float, mm
        Distance of voxels along z, y, x; 1 where it is not known.
    related : bool
        Whether neighbouring slices are alike; not in a stack of unrelated pictures.
    flows : dict
        Optical flows between its slices, kept by `Motion` for whoever asks next.
    """

    truth: NDArray[np.integer]
    classes: tuple[int, ...]
    image: Callable[[int], NDArray[np.float32]]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    related: bool = True
    flows: Flows = field(default_factory=dict)

    def known_planes(self) -> Iterator[tuple[int, NDArray[np.integer]]]:
        """Give number and truth of each slice of which anything may be known."""
        truth: object = self.truth
        if isinstance(truth, TruthBySlice):
            return iter(truth.planes.items())
        return enumerate(self.truth)


class Answer(Protocol):
    """What a source says of one volume, slice by slice."""

    def probabilities(self, index: int) -> NDArray[np.float32]:
        """Give one slice's probabilities.

        Returns
        -------
        (1 + classes, y, x) float32
            Background first, then the classes in order; they sum to 1 at each pixel.
            The largest one is the proposal, its value the confidence. Calibrated:
            of the voxels with confidence p a share of about p is right.
        """
        ...


@dataclass(frozen=True)
class Proposer:
    """One source of proposals: found by itself as a module's `PROPOSER`.

    Attributes
    ----------
    name : str
        On the command line, in reports and with accepted ink.
    title : str
        In the window, a few words.
    summary : str
        One sentence for people.
    propose : callable of a LabelledVolume to an Answer, or None
        None where too little is known for this source to say anything.
    """

    name: str
    title: str
    summary: str
    propose: Callable[[LabelledVolume], Answer | None]
