"""All feature maps of a network for each pixel of a slice, in a few channels."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch.nn import functional

from napari_contrastseg.learning.data.padding import cut, to_multiple
from napari_contrastseg.learning.data.slice_reader import SliceReader

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model

#: Channels that all maps are brought to, by principal components.
CHANNELS: Final = 24
#: Slices and pixels of each that these follow from.
SLICES, PIXELS = 8, 500
#: Memory for the maps of slices that were looked at last.
CACHE_BYTES: Final = 64 * 2**20
LEAST_SPREAD: Final = 1e-6


class PixelMaps:
    """Features of the pixels of one volume, from every level of a network.

    Parameters
    ----------
    model : Model
    volume : Volume
        Of the model's channels.
    shape : (int, int)
        Rows and columns that a slice's features have.
    """

    def __init__(self, model: Model, volume: Volume, shape: tuple[int, int]) -> None:
        self._network, self._shape = model.network, shape
        self._reader = SliceReader(volume, model.card.input)
        self._kept: OrderedDict[int, NDArray[np.float32]] = OrderedDict()
        self._middle, self._axes = self._components()

    def at(self, index: int) -> NDArray[np.float32]:
        """Features of one slice, (channels, rows, columns)."""
        found = self._kept.pop(index, None)
        if found is None:
            found = self._projected(index)
        self._kept[index] = found
        while len(self._kept) > max(1, CACHE_BYTES // found.nbytes):
            self._kept.popitem(last=False)
        return found

    def _projected(self, index: int) -> NDArray[np.float32]:
        maps = self._all(index)
        few = torch.tensordot(self._axes, maps - self._middle[:, None, None], dims=1)
        return np.ascontiguousarray(few.numpy())

    @torch.inference_mode()
    def _all(self, index: int) -> Tensor:
        """Every map of the network at the size of the answer."""
        torch.set_num_threads(1)  # of this thread; the window has the others
        image = self._reader.image(index)[None]
        around, padded = to_multiple(image, self._network.divisor)
        pyramid = self._network.encode(padded)
        size = (padded.shape[-2], padded.shape[-1])
        maps = [
            functional.interpolate(found.float(), size, mode="bilinear")
            for found in (*pyramid, *self._network.decode(pyramid))
        ]
        whole = cut(torch.cat(maps, dim=1), around)
        whole = self._reader.order.turned_back(whole)
        if tuple(whole.shape[-2:]) != self._shape:
            whole = functional.interpolate(whole, self._shape, mode="bilinear")
        return whole[0]

    def _components(self) -> tuple[Tensor, Tensor]:
        """Middle of the maps, and the directions in which they differ most."""
        rng = np.random.default_rng(0)
        count = self._reader.count
        picks = np.unique(np.linspace(0, count - 1, min(count, SLICES)).round())
        drawn = []
        for index in picks.astype(int).tolist():
            flat = self._all(index).flatten(1)
            drawn.append(flat[:, rng.integers(0, flat.shape[1], PIXELS)])
        rows = torch.cat(drawn, dim=1)
        middle, spread = rows.mean(dim=1), rows.std(dim=1).clamp_min(LEAST_SPREAD)
        scaled = (rows - middle[:, None]) / spread[:, None]
        _, axes = torch.linalg.eigh(scaled @ scaled.T)
        most = axes[:, -CHANNELS:].flip(1)
        return middle, (most / spread[:, None]).T
