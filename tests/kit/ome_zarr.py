"""OME-Zarr images of two levels, written by zarr alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import zarr

if TYPE_CHECKING:
    from pathlib import Path

STACK = np.random.default_rng(0).integers(0, 4000, (2, 4, 20, 24)).astype(np.uint16)


def axis(letter: str, unit: str | None) -> dict[str, str]:
    if letter in "tc":
        return {"name": letter, "type": {"t": "time", "c": "channel"}[letter]}
    return {"name": letter, "type": "space"} | ({"unit": unit} if unit else {})


def shown(label: str) -> dict[str, Any]:
    window = {"start": 0, "end": 1, "min": 0, "max": 1}
    return {"label": label, "color": "00FF00", "window": window}


def write(
    folder: Path,
    axes: str = "czyx",
    data: Any = STACK,
    version: str = "0.5",
    unit: str | None = "micrometer",
    **more: Any,
) -> Path:
    """Two levels, by zarr alone; the second every other pixel."""
    kind: Literal[2, 3] = 3 if version == "0.5" else 2
    group = zarr.open_group(folder, mode="w", zarr_format=kind)
    sizes = dict(zip("tczyx", (1.0, 1.0, 2.0, 0.5, 0.25), strict=True))
    datasets = []
    if kind == 3:
        more["dimension_names"] = list(axes)
    for level, array in enumerate((data, data[..., ::2, ::2])):
        chunks = (1,) * (array.ndim - 2) + (16, 16)
        made = group.create_array(
            str(level), shape=array.shape, dtype=array.dtype, chunks=chunks, **more
        )
        made[...] = array
        factor = {"y": 1 + level, "x": 1 + level}
        scale = [sizes[a] * factor.get(a, 1) for a in axes]
        shift = [10.0 * (a == "z") + 0.5 * level * sizes[a] * (a in "yx") for a in axes]
        datasets.append(
            {
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": scale},
                    {"type": "translation", "translation": shift},
                ],
            }
        )
    about: dict[str, Any] = {
        "multiscales": [
            {"axes": [axis(a, unit) for a in axes], "datasets": datasets, "name": "a"}
        ],
        "omero": {"channels": [shown("DAPI"), shown("GFP")]},
    }
    if version == "0.5":
        group.attrs["ome"] = about | {"version": "0.5"}
    else:
        about["multiscales"][0]["version"] = "0.4"
        group.attrs.update(about)
    return folder
