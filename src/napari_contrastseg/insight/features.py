"""Features of sampled voxels, read from a layer of the network."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from napari_contrastseg.learning.data.padding import to_multiple
from napari_contrastseg.learning.data.slice_reader import SliceReader
from napari_contrastseg.learning.models.slice_tiles import SliceTiles, bytes_per_pixel
from napari_contrastseg.learning.networks.feature_maps import at_rest
from napari_contrastseg.learning.runtime.device import prepare
from napari_contrastseg.learning.runtime.pass_size import PassSize

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_contrastseg.insight.feature_table import FeatureTable
    from napari_contrastseg.learning.data.input_spec import InputSpec
    from napari_contrastseg.learning.data.targets import TrainingVolume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.models.tile_geometry import Rectangle, Side
    from napari_contrastseg.learning.networks.unet import UNet


class Extractor:
    """Reads a table's features, again and again while a network learns.

    Parameters
    ----------
    volumes : sequence of TrainingVolume
    table : FeatureTable
    spec : InputSpec
    device : torch.device
        Where the network is.
    """

    def __init__(
        self,
        volumes: Sequence[TrainingVolume],
        table: FeatureTable,
        spec: InputSpec,
        device: torch.device,
    ) -> None:
        self.table, self._device = table, device
        self._readers = {
            int(number): SliceReader(
                volumes[number].volume, spec, kept=2 * spec.neighbours + 1
            )
            for number in np.unique(table.volume)
        }

    @torch.inference_mode()
    def reading(
        self, network: UNet, tap: str
    ) -> Generator[None, None, NDArray[np.float32]]:
        """Read the map called `tap` at the table's voxels; yields between long passes.

        The network is left as it was, its norms' statistics too. Of slices that are
        too large for a pass it sees the parts alone that hold voxels, and knows their
        statistics from crops.

        Returns
        -------
        (n, d) float32
        """
        table = self.table
        size = PassSize(self._device, bytes_per_pixel(network))
        found = np.zeros((len(table.label), network.taps[tap]), np.float32)
        with at_rest(network):
            for number, reader in self._readers.items():
                mine = np.flatnonzero(table.volume == number)
                index = table.position[mine, reader.axis]
                todo = deque([np.unique(index)])
                while todo:
                    some = todo.popleft()
                    several = size.slices(math.prod(reader.shape))
                    if len(some) > max(1, several):
                        todo.extendleft(reversed(_batches(some, max(1, several))))
                        continue
                    rows = mine[np.isin(index, some)]
                    if not several:
                        tiles = SliceTiles(network, reader, size)
                        yield from self._by_tiles(tap, reader, tiles, rows, found)
                        continue
                    position = table.position[rows]
                    which = np.searchsorted(some, position[:, reader.axis])
                    try:
                        found[rows] = self._read(
                            network, tap, reader, some, which, _places(reader, position)
                        )
                    except (MemoryError, RuntimeError) as error:
                        size.halve(error)
                        todo.appendleft(some)
                    if several == 1:
                        yield
        return found

    def _by_tiles(
        self,
        tap: str,
        reader: SliceReader,
        tiles: SliceTiles,
        rows: NDArray[np.intp],
        found: NDArray[np.float32],
    ) -> Iterator[None]:
        """Read voxels of one large slice, the table's `rows`."""
        position = self.table.position[rows]
        index = int(position[0, reader.axis])
        places = _places(reader, position)

        def see(
            network: UNet, tile: Tensor, part: Rectangle, sides: tuple[Side, Side]
        ) -> None:
            inside = _within(places, part)
            maps = network.tap(tile, tap).float()
            start = [side.before - side.read.start for side in sides]
            at = (places[inside] + start) / [side.size for side in sides]
            found[rows[inside]] = self._sampled(maps, at)

        for _ in tiles.settle(index, closely=False):
            yield
        parts = [part for part in tiles.cores() if len(_within(places, part))]
        for _ in tiles.visit(index, parts, see):
            yield

    def _read(
        self,
        network: UNet,
        tap: str,
        reader: SliceReader,
        slices: NDArray[np.int64],
        which: NDArray[np.int64],
        places: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        """Read voxels (`which` of the slices, and `_places` there)."""
        images = torch.stack([reader.image(int(i)) for i in slices]).to(self._device)
        around, padded = to_multiple(images, network.divisor)
        maps = network.tap(padded, tap).float()
        offset = np.array([around[0], around[2]])
        at = (places + offset) / np.array(padded.shape[-2:])
        values = np.empty((len(which), maps.shape[1]), np.float32)
        for i in range(len(slices)):
            mine = np.flatnonzero(which == i)
            values[mine] = self._sampled(maps[i, None], at[mine])
        return values

    def _sampled(self, maps: Tensor, at: NDArray[np.float64]) -> NDArray[np.float32]:
        """Read maps, (1, d, h, w), at places of which 0 to 1 are inside, (n, d)."""
        grid = torch.from_numpy((at * 2 - 1)[:, ::-1].astype(np.float32))
        found = functional.grid_sample(
            maps,
            grid.to(self._device)[None, :, None],
            padding_mode="border",
            align_corners=False,
        )
        values: NDArray[np.float32] = found[0, :, :, 0].T.cpu().numpy()
        return values


def _batches(slices: NDArray[np.int64], several: int) -> list[NDArray[np.int64]]:
    return [slices[i : i + several] for i in range(0, len(slices), several)]


def _places(reader: SliceReader, position: NDArray[np.int64]) -> NDArray[np.float64]:
    """Centres of voxels of a volume, in the network's pixels of a slice, (n, 2)."""
    place = reader.order.places(position, reader.volume.shape)
    scale = np.divide(reader.shape, reader.native)
    return np.asarray((place + 0.5) * scale, np.float64)


def _within(places: NDArray[np.float64], part: Rectangle) -> NDArray[np.intp]:
    """Which places lie in a part of a slice."""
    low = [part.rows.start, part.columns.start]
    high = [part.rows.stop, part.columns.stop]
    return np.flatnonzero(((places >= low) & (places < high)).all(axis=1))


def extract(
    model: Model,
    volumes: Sequence[TrainingVolume],
    table: FeatureTable,
    tap: str,
    device: torch.device,
) -> Generator[None, None, FeatureTable]:
    """Fill in the features of a table's voxels at one of the network's taps.

    Yields between the network's passes.
    """
    prepare(model.network, device)
    read = Extractor(volumes, table, model.card.input, device)
    features = yield from read.reading(model.network, tap)
    return replace(table, features=features)
