"""How much slices look like one voxel to a network: cosines of features."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from napari_contrastseg.learning.data.padding import cut, to_multiple
from napari_contrastseg.learning.models.slice_tiles import SliceTiles, bytes_per_pixel
from napari_contrastseg.learning.models.tile_geometry import Rectangle
from napari_contrastseg.learning.runtime.pass_size import PassSize

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from torch import Tensor

    from napari_contrastseg.learning.data.slice_reader import SliceReader
    from napari_contrastseg.learning.networks.unet import UNet


class Comparison:
    """Compares the slices of a volume with one of its voxels.

    Parameters
    ----------
    network : UNet
        At rest, on its device.
    tap : str
        The network's map.
    reader : SliceReader
    device : torch.device
    """

    def __init__(
        self, network: UNet, tap: str, reader: SliceReader, device: torch.device
    ) -> None:
        self._network, self._tap = network, tap
        self._reader, self._device = reader, device
        self._size = PassSize(device, bytes_per_pixel(network))
        self._tiles = SliceTiles(network, reader, self._size)
        self._wanted: Tensor | None = None

    @torch.inference_mode()
    def ask_about(self, voxel: Sequence[int]) -> Generator[None, None, None]:
        """Compare with this voxel of the volume from now on."""
        reader = self._reader
        index = voxel[reader.axis]
        row, column = np.delete(np.asarray(voxel), reader.axis).tolist()
        if not self._by_tiles:
            self._wanted = self._unit_map(index)[:, row, column].clone()
            return
        yield from self._settled(index)
        places = reader.order.places(np.asarray([voxel]), reader.volume.shape)[0]
        scale = np.divide(reader.shape, reader.native)
        at = [int(x) for x in (places + 0.5) * scale]
        here = Rectangle(*(slice(x, x + 1) for x in at))
        for _, maps in self._tiles.maps(index, [here], self._units):
            assert maps is not None
            self._wanted = maps[0, :, 0, 0]

    @torch.inference_mode()
    def alike(self, index: int) -> Generator[None, None, Tensor]:
        """Give the cosine of each pixel of a slice with the voxel, 0 where below.

        Yields between the parts of a large slice.

        Returns
        -------
        (h, w) float32, on the volume's own pixels
        """
        wanted = self._wanted
        assert wanted is not None
        if not self._by_tiles:
            return torch.einsum("d,dhw->hw", wanted, self._unit_map(index)).clamp(0, 1)

        def cosine(network: UNet, tile: Tensor) -> Tensor:
            return torch.einsum("d,ndhw->nhw", wanted, self._units(network, tile))[None]

        yield from self._settled(index)
        found = torch.empty(1, 1, *self._reader.shape)
        for part, alike in self._tiles.maps(index, [self._tiles.whole], cosine):
            assert alike is not None
            found[..., part.rows, part.columns] = alike.cpu()
            yield
        return self._reader.to_native_grid(found)[0, 0].clamp(0, 1)

    @property
    def _by_tiles(self) -> bool:
        return not self._size.slices(math.prod(self._reader.shape))

    def _settled(self, index: int) -> Generator[None, None, None]:
        for _ in self._tiles.settle(index, closely=False):
            yield

    def _units(self, network: UNet, tile: Tensor) -> Tensor:
        maps = network.tap(tile, self._tap).float()
        whole = functional.interpolate(maps, tile.shape[-2:], mode="bilinear")
        return functional.normalize(whole, dim=1, eps=1e-6)

    def _unit_map(self, index: int) -> Tensor:
        """Give the map of one slice, each pixel of length 1.

        Returns
        -------
        (d, h, w) float32, on the volume's own pixels
        """
        image = self._reader.image(index)[None].to(self._device)
        around, padded = to_multiple(image, self._network.divisor)
        maps = self._network.tap(padded, self._tap).float()
        whole = functional.interpolate(maps, padded.shape[-2:], mode="bilinear")
        native = self._reader.to_native_grid(cut(whole, around))
        return functional.normalize(native[0], dim=0, eps=1e-6)
