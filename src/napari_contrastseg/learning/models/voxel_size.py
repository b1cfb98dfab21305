"""Voxel size that a person gave in training, for files that do not state their own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.volume import lengths, resized

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.card import ModelCard

#: Part of a card's training record: by what the sides that files state were multiplied.
VOXEL_FACTOR: Final = "voxel_factor"
_ROUNDING: Final = 1e-3


def recorded(volumes: Sequence[Volume]) -> dict[str, Any]:
    """Record how voxels of files without a size were sized, if all were alike."""
    unstated = [
        np.ones(3) if v.source.factor is None else np.asarray(v.source.factor)
        for v in volumes
        if v.source.factor is not None or v.source.unit == "pixel"
    ]
    if not unstated or any(v.source.factor is None for v in volumes if _unsized(v)):
        return {}
    first = unstated[0]
    if any(np.abs(one / first - 1).max() > _ROUNDING for one in unstated):
        return {}
    return {VOXEL_FACTOR: [float(f) for f in first]}


def _unsized(volume: Volume) -> bool:
    return volume.source.unit == "pixel"


def sized(card: ModelCard, volume: Volume) -> tuple[Volume, str | None]:
    """Give a volume whose file states no voxel size the one of training.

    Returns
    -------
    volume : Volume
    note : str or None
        What was assumed; how to say another size is the caller's to add.
    """
    if volume.anatomical or volume.source.unit != "pixel":
        return volume, None
    factor = card.training.get(VOXEL_FACTOR)
    if not _is_factor(factor):
        return volume, None
    spacing = volume.spacing * np.asarray(factor)
    found = replace(resized(volume, spacing.tolist()), axis=volume.axis)
    sides, unit = lengths(found)
    words = " x ".join(f"{side:.4g}" for side in sides)
    return found, (
        f"{volume.id}: its file states no voxel size; {words} {unit} is assumed, as a "
        "person said for the model's training images"
    )


def _is_factor(factor: Any) -> bool:
    return (
        isinstance(factor, list)
        and len(factor) == 3  # noqa: PLR2004
        and all(isinstance(f, int | float) and 0 < f < np.inf for f in factor)
    )
