"""Find similar: where a volume looks like one of its voxels to the network."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.tasks.events import Progress, saying

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy as np
    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model

#: Value of a voxel that looks exactly like the one asked about.
MOST = 255


@dataclass(frozen=True, eq=False)
class SimilarRequest:
    """A voxel of a volume, and who compares.

    Attributes
    ----------
    voxel : (s0, s1, s2)
    first : int
        Slice to begin with: the one that is shown.
    tap : str, optional
        The network's map; the decoder's last by default.
    """

    model: Model
    volume: Volume
    voxel: tuple[int, ...]
    first: int
    tap: str | None = None
    device: str = "auto"


@dataclass(frozen=True, eq=False)
class SimilarSlice:
    """One slice.

    Attributes
    ----------
    index : int
    similarity : (h, w) uint8
        Cosine similarity, 0 (at right angles or beyond) to 255 (the same direction).
    """

    index: int
    similarity: NDArray[np.uint8]


def similar(
    request: SimilarRequest,
) -> Generator[SimilarSlice | Progress, None, None]:
    """Compare slice by slice, from the shown one outwards.

    Yields
    ------
    SimilarSlice of every slice; Progress between the parts of large ones.

    Raises
    ------
    InputError
        The volume does not fit the model.
    """
    import torch

    from napari_contrastseg.insight.similarity import Comparison  # noqa: PLC0415
    from napari_contrastseg.learning.data.slice_reader import SliceReader  # noqa: PLC0415
    from napari_contrastseg.learning.runtime.device import (  # noqa: PLC0415
        leave_a_core,
        pick_device,
        prepare,
        release,
    )

    model, volume = request.model, request.volume
    model.check_fits(volume)
    leave_a_core()
    device = pick_device(request.device)
    network = deepcopy(model.network)  # a training may be going on from the weights
    prepare(network, device)
    network.eval()
    tap = request.tap or model.card.network.last_tap
    reader = SliceReader(volume, model.card.input)
    try:
        compare = Comparison(network, tap, reader, device)
        yield from saying(compare.ask_about(request.voxel), Progress("compare", 0.0))
        for done, index in enumerate(outwards(request.first, reader.count)):
            here = Progress("compare", done / reader.count)
            alike = yield from saying(compare.alike(index), here)
            found = (MOST * alike).round().to(torch.uint8).cpu().numpy()
            yield SimilarSlice(index, found)
    finally:
        del network
        release(device)


def outwards(first: int, count: int) -> list[int]:
    """Slice numbers, the nearest to `first` before those that are further."""
    return sorted(range(count), key=lambda i: (abs(i - first), i))
