"""A table of voxels and what the network makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from napari_contrastseg.learning.device import prepare
from napari_contrastseg.learning.padding import cut, to_multiple
from napari_contrastseg.learning.slices import SliceReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.learning.labels import TrainingVolume
    from napari_contrastseg.learning.model import Model


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


@torch.inference_mode()
def extract(
    model: Model,
    volumes: Sequence[TrainingVolume],
    table: FeatureTable,
    tap: str,
    device: torch.device,
) -> FeatureTable:
    """Fill in the features of a table's voxels at one of the network's taps."""
    spec = model.card.input
    network = model.network.eval()
    prepare(network, device)
    features = np.zeros((len(table.label), network.taps[tap]), np.float32)
    in_plane = [axis for axis in range(3) if axis != spec.axis]
    for number, entry in enumerate(volumes):
        mine = np.flatnonzero(table.volume == number)
        if not len(mine):
            continue
        reader = SliceReader(entry.volume, spec)
        for index in np.unique(table.position[mine, spec.axis]):
            rows = mine[table.position[mine, spec.axis] == index]
            image = reader.image(int(index))[None].to(device)
            around, padded = to_multiple(image, network.divisor)
            maps = network.tap(padded, tap)
            maps = functional.interpolate(
                maps, padded.shape[-2:], mode="bilinear", align_corners=False
            )
            maps = reader.to_native_grid(cut(maps, around))[0]
            r, c = (torch.from_numpy(table.position[rows, a]) for a in in_plane)
            features[rows] = maps[:, r, c].T.cpu().numpy()
    return FeatureTable(
        table.volume, table.position, table.label, table.known, features
    )
