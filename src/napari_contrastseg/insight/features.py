"""A table of voxels and what the network makes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from napari_contrastseg.learning.device import prepare
from napari_contrastseg.learning.labels import UNKNOWN
from napari_contrastseg.learning.padding import to_multiple
from napari_contrastseg.learning.passes import at_rest
from napari_contrastseg.learning.predict import PIXELS_PER_BATCH
from napari_contrastseg.learning.slices import SliceReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.learning.card import InputSpec
    from napari_contrastseg.learning.labels import TrainingVolume
    from napari_contrastseg.learning.model import Model
    from napari_contrastseg.learning.unet import UNet


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """A class-balanced sample of voxels.

    Attributes
    ----------
    volume : (n,) int, number of the volume
    position : (n, 3) int, voxel index in the volume's order
    label : (n,) int, class id or 0 for background
    known : (n,) bool, whether the label is truth; else it is a prediction
    features : (n, d) float32, at the chosen tap
    """

    volume: NDArray[np.int64]
    position: NDArray[np.int64]
    label: NDArray[np.int64]
    known: NDArray[np.bool_]
    features: NDArray[np.float32]


def sample_voxels(
    volumes: Sequence[TrainingVolume],
    predictions: Mapping[int, NDArray[Any]],
    count: int,
    seed: int,
) -> FeatureTable:
    """Choose voxels: as many of every class, truth first, then predictions.

    Parameters
    ----------
    predictions : mapping of volume number to (s0, s1, s2) class ids
        Of voxels whose truth is unknown; may be empty.

    Returns
    -------
    FeatureTable
        With no features yet: shape (n, 0).
    """
    rng = np.random.default_rng(seed)
    pools: dict[int, list[tuple[NDArray[np.int64], ...]]] = {}
    for number, entry in enumerate(volumes):
        target = entry.target
        if target is not None and entry.weight is not None:
            target = np.where(
                entry.weight >= 1, target, UNKNOWN
            )  # guesses are no truth
        known = target >= 0 if target is not None else None
        guess = predictions.get(number)
        for source, is_known in ((target, True), (guess, False)):
            if source is None:
                continue
            usable = source >= 0
            if known is not None:
                usable = usable & (known if is_known else ~known)
            for label in np.unique(source[usable]):
                flat = np.flatnonzero((source == label) & usable)
                picked = rng.choice(flat, min(count, len(flat)), replace=False)
                pools.setdefault(int(label), []).append(
                    (
                        np.full(len(picked), number),
                        picked,
                        np.full(len(picked), int(is_known)),
                    )
                )
    rows: list[NDArray[np.int64]] = []
    share = max(1, count // max(1, len(pools)))
    for label, parts in sorted(pools.items()):
        merged = np.concatenate([np.stack(part, axis=1) for part in parts])
        order = rng.permutation(len(merged))
        order = order[np.argsort(-merged[order, 2], kind="stable")]
        chosen = merged[order[:share]]
        rows.append(np.column_stack([chosen, np.full(len(chosen), label)]))
    table = np.concatenate(rows) if rows else np.zeros((0, 4), np.int64)
    positions = np.zeros((len(table), 3), np.int64)
    for number, entry in enumerate(volumes):
        mine = table[:, 0] == number
        places = np.unravel_index(table[mine, 1], entry.volume.shape)
        positions[mine] = np.stack(places, axis=1)
    return FeatureTable(
        table[:, 0],
        positions,
        table[:, 3],
        table[:, 2].astype(bool),
        np.zeros((len(table), 0), np.float32),
    )


def sample_labelled(
    volumes: Sequence[TrainingVolume], axis: int, count: int, pixels: int, seed: int
) -> FeatureTable:
    """Choose voxels that a person labelled, from slices of so many pixels in all.

    As many of every class where there are as many. Reading their features takes no
    longer than these slices do, however large the cohort.
    """
    rng = np.random.default_rng(seed)
    places = [
        (number, index)
        for number, entry in enumerate(volumes)
        if entry.target is not None
        for index in range(entry.volume.shape[axis])
        if _truth(entry, axis, index).max() >= 0
    ]
    found: dict[int, list[NDArray[np.int64]]] = {}
    for place in rng.permutation(len(places)):
        number, index = places[place]
        plane = _truth(volumes[number], axis, index)
        if found and plane.size > pixels:
            break
        pixels -= plane.size
        for label in np.unique(plane[plane >= 0]):
            rows, columns = np.nonzero(plane == label)
            picked = rng.permutation(len(rows))[:count]
            where = np.insert(
                np.stack([rows, columns], axis=1)[picked], axis, index, axis=1
            )
            about = np.tile([number, int(label)], (len(picked), 1))
            found.setdefault(int(label), []).append(np.hstack([about, where]))
    share = max(1, count // max(1, len(found)))
    chosen = [
        rng.permutation(np.concatenate(parts))[:share] for parts in found.values()
    ]
    table = np.concatenate(chosen) if chosen else np.zeros((0, 5), np.int64)
    return FeatureTable(
        table[:, 0],
        table[:, 2:],
        table[:, 1],
        np.ones(len(table), bool),
        np.zeros((len(table), 0), np.float32),
    )


def _truth(entry: TrainingVolume, axis: int, index: int) -> NDArray[np.int64]:
    """Take what a person said of one slice; -1 elsewhere."""
    assert entry.target is not None
    plane = np.take(entry.target, index, axis=axis)
    if entry.weight is not None:
        plane = np.where(np.take(entry.weight, index, axis=axis) >= 1, plane, UNKNOWN)
    return np.asarray(plane, dtype=np.int64)


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
        self.table, self._spec, self._device = table, spec, device
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
        table, axis = self.table, self._spec.axis
        found = np.zeros((len(table.label), network.taps[tap]), np.float32)
        with at_rest(network):
            for number, reader in self._readers.items():
                mine = np.flatnonzero(table.volume == number)
                index = table.position[mine, axis]
                for some in self._batches(np.unique(index), reader):
                    rows = mine[np.isin(index, some)]
                    which = np.searchsorted(some, table.position[rows, axis])
                    place = np.delete(table.position[rows], axis, axis=1)
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
