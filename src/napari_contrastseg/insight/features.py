"""What a network makes of a table's voxels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from napari_contrastseg.learning.data.padding import to_multiple
from napari_contrastseg.learning.data.slice_reader import SliceReader
from napari_contrastseg.learning.models.predict import PIXELS_PER_BATCH
from napari_contrastseg.learning.networks.feature_maps import at_rest
from napari_contrastseg.learning.runtime.device import prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.insight.feature_table import FeatureTable
    from napari_contrastseg.learning.data.input_spec import InputSpec
    from napari_contrastseg.learning.data.targets import TrainingVolume
    from napari_contrastseg.learning.models.model import Model
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
    def features(self, network: UNet, tap: str) -> NDArray[np.float32]:
        """Read the map called `tap` at the table's voxels, (n, d).

        The network is left as it was, its norms' statistics too.
        """
        table = self.table
        found = np.zeros((len(table.label), network.taps[tap]), np.float32)
        with at_rest(network):
            for number, reader in self._readers.items():
                mine = np.flatnonzero(table.volume == number)
                index = table.position[mine, reader.axis]
                for some in self._batches(np.unique(index), reader):
                    rows = mine[np.isin(index, some)]
                    position = table.position[rows]
                    which = np.searchsorted(some, position[:, reader.axis])
                    place = reader.order.places(position, reader.volume.shape)
                    found[rows] = self._read(network, tap, reader, some, which, place)
        return found

    @staticmethod
    def _batches(
        slices: NDArray[np.int64], reader: SliceReader
    ) -> list[NDArray[np.int64]]:
        several = max(1, PIXELS_PER_BATCH // (reader.shape[0] * reader.shape[1]))
        return [slices[i : i + several] for i in range(0, len(slices), several)]

    def _read(
        self,
        network: UNet,
        tap: str,
        reader: SliceReader,
        slices: NDArray[np.int64],
        which: NDArray[np.int64],
        place: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Read voxels (`which` of the slices, row and column there)."""
        images = torch.stack([reader.image(int(i)) for i in slices]).to(self._device)
        around, padded = to_multiple(images, network.divisor)
        maps = network.tap(padded, tap).float()
        # voxel centres of the volume as places in the padded image, -1 to 1
        scale = np.divide(reader.shape, reader.native)
        offset = np.array([around[0], around[2]])
        size = np.array(padded.shape[-2:])
        places = ((place + 0.5) * scale + offset) / size * 2 - 1
        grid = torch.from_numpy(places[:, ::-1].astype(np.float32)).to(self._device)
        values = np.empty((len(which), maps.shape[1]), np.float32)
        for i in range(len(slices)):
            mine = np.flatnonzero(which == i)
            found = functional.grid_sample(
                maps[i, None],
                grid[torch.from_numpy(mine)][None, :, None],
                padding_mode="border",
                align_corners=False,
            )
            values[mine] = found[0, :, :, 0].T.cpu().numpy()
        return values


def extract(
    model: Model,
    volumes: Sequence[TrainingVolume],
    table: FeatureTable,
    tap: str,
    device: torch.device,
) -> FeatureTable:
    """Fill in the features of a table's voxels at one of the network's taps."""
    prepare(model.network, device)
    read = Extractor(volumes, table, model.card.input, device)
    return replace(table, features=read.features(model.network, tap))
