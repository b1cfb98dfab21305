"""From napari's image layers to volumes and back."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.volume import Source, Volume, array_affine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer
    from numpy.typing import NDArray

#: Key under which our reader leaves the volume in a layer's metadata.
VOLUME_KEY: Final = "contrastseg_volume"
_PLANE, _VOLUME = 2, 3
#: Part of a voxel's step that may point along another axis, from rounding.
TILT: Final = 1e-3
_TO_MM: Final = {
    "meter": 1e3,
    "centimeter": 10.0,
    "millimeter": 1.0,
    "micrometer": 1e-3,
    "nanometer": 1e-6,
}


def layer_for(volume: Volume) -> tuple[Any, dict[str, Any], str]:
    """Make napari layer data of a volume that was read from a file.

    Orthogonal placement is shown; the whole affine stays in the volume, for export.
    """
    origin = volume.affine[:3, 3] * (-1, -1, 1)
    about: dict[str, Any] = {
        "name": volume.id,
        "scale": volume.spacing,
        "translate": origin[::-1],
        "metadata": {VOLUME_KEY: volume},
    }
    if volume.shape[0] == 1 and volume.kind == "stack":
        about |= {"scale": volume.spacing[1:], "translate": origin[1::-1]}
        planes = [np.asarray(c)[0] for c in volume.data]
    else:
        planes = [np.asarray(c) for c in volume.data]
    if volume.channels == ("red", "green", "blue"):
        return np.stack(planes, axis=-1), about | {"rgb": True}, "image"
    return planes[0], about, "image"


def layers_for(volume: Volume) -> list[tuple[Any, dict[str, Any], str]]:
    """Make napari layer data of all channels; colours are one layer."""
    first = layer_for(volume)
    if len(volume.data) == 1 or first[1].get("rgb"):
        return [first]
    made = []
    for name, channel in zip(volume.channels, volume.data, strict=True):
        one = replace(volume, data=(channel,), channels=(name,))
        data, about, kind = layer_for(one)
        extra = {"name": f"{volume.id} {name}", "blending": "additive"}
        made.append((data, about | extra, kind))
    for _, about, _ in made:
        about["metadata"] = {VOLUME_KEY: volume}
    return made


def volume_from(layers: Sequence[Layer], name: str) -> Volume:
    """Make a volume of image layers; several are the channels of one volume.

    Raises
    ------
    InputError
        A layer is of another kind, has a time axis, is sheared, or does not lie on
        the grid of the others.
    """
    if not layers:
        raise InputError("Choose an image layer first.")
    for layer in layers:
        if not isinstance(layer, Image):
            raise InputError(f"{layer.name}: is no image layer; choose an image.")
    for one, other in pairwise(layers):
        if not _same_place(one, other):
            raise InputError(
                f"{other.name}: lies on another grid than {one.name}; channels need "
                "the same shape, scale and position."
            )
    known = layers[0].metadata.get(VOLUME_KEY)
    data = tuple(plane for layer in layers for plane in _planes(layer))
    if isinstance(known, Volume) and known.shape == tuple(data[0].shape):
        source, kind, affine = known.source, known.kind, known.affine
    else:
        source, affine = Source(), _affine(layers[0])
        kind = "stack" if data[0].shape[0] == 1 else "volume"
    names = tuple(layer.name for layer in layers)
    if len(data) != len(names):
        names = tuple(f"channel {i}" for i in range(len(data)))
    return Volume(name, data, affine, names, source, kind)


def _planes(layer: Image) -> list[Any]:
    """Give the layer's channels as 3-D arrays."""
    data = _whole(layer)
    if np.issubdtype(data.dtype, np.complexfloating):
        raise InputError(
            f"{layer.name}: holds complex numbers; take a magnitude first."
        )
    channels = [data[..., i] for i in range(3)] if layer.rgb else [data]
    if channels[0].ndim == _PLANE:
        channels = [c[None] for c in channels]
    if channels[0].ndim != _VOLUME:
        raise InputError(
            f"{layer.name}: has {channels[0].ndim} dimensions (time or channels?); "
            "choose one time point, or split it (right click on the layer, Split "
            "Stack)."
        )
    return channels


def _whole(layer: Layer) -> Any:
    """Give a layer's data, the finest level; as numpy where it knows no numpy type."""
    data = layer.data[0] if layer.multiscale else layer.data
    return data if isinstance(data.dtype, np.dtype) else np.asarray(data)


def labels_of(layer: Layer) -> NDArray[Any]:
    """Give a mask's values, 3-D."""
    labels = np.asarray(_whole(layer))
    return labels[None] if labels.ndim == _PLANE else labels


def tilted(layer: Layer, axis: int) -> bool:
    """Whether slices along a data axis are not what napari's slider shows."""
    first = axis - (_VOLUME - layer.ndim)
    if first < 0:
        return False
    matrix = _linear(layer)[:-1, :-1]
    scale = np.abs(matrix).max()
    rest = np.delete(np.arange(len(matrix)), first)
    mixed = np.abs(np.r_[matrix[first, rest], matrix[rest, first]])
    return bool((mixed > TILT * scale).any())


def refuse_tilted(layer: Layer, axis: int) -> None:
    """Refuse a layer whose slices napari cannot show one by one."""
    if tilted(layer, axis):
        raise InputError(
            f"{layer.name}: is rotated out of its slices along axis {axis}, which "
            "napari cannot show one by one; undo the rotation of the layer, or "
            "resample the image."
        )


def same_place(one: Layer, other: Layer) -> bool:
    """Whether two layers lie on one grid; a layer that nobody placed fits any."""
    if one.ndim != other.ndim:
        return True  # its shape says more
    mine = _linear(one)
    placed = not np.allclose(mine, np.eye(len(mine)))
    return not placed or np.allclose(mine, _linear(other))


def _same_place(one: Layer, other: Layer) -> bool:
    return (
        one.ndim == other.ndim
        and np.array_equal(_shape(one), _shape(other))
        and np.allclose(_linear(one), _linear(other))
    )


def _shape(layer: Layer) -> tuple[int, ...]:
    data = layer.data[0] if layer.multiscale else layer.data
    shape: tuple[int, ...] = tuple(data.shape)
    return shape[:-1] if layer.rgb else shape


def _linear(layer: Layer) -> NDArray[np.float64]:
    """Homogeneous matrix from the layer's data to napari's world."""
    n = layer.ndim
    origin = np.asarray(layer.data_to_world(np.zeros(n)), dtype=np.float64)
    matrix = np.eye(n + 1)
    for axis in range(n):
        step = np.asarray(layer.data_to_world(np.eye(n)[axis]), dtype=np.float64)
        matrix[:n, axis] = step[-n:] - origin[-n:]
    matrix[:n, n] = origin[-n:]
    return matrix


def _affine(layer: Image) -> NDArray[np.float64]:
    """Affine, index to RAS+ mm, of a layer whose axes are (z, y, x) or (y, x)."""
    n = layer.ndim
    small = _linear(layer)
    units = [_TO_MM.get(str(unit), 1.0) for unit in layer.units][-n:]
    small[:n] *= np.asarray(units)[:, None]
    world = np.eye(4)
    first = _VOLUME - n
    world[first:3, first:3] = small[:n, :n]
    world[first:3, 3] = small[:n, n]
    affine: NDArray[np.float64] = array_affine(np.ones(3)) @ world
    return affine


def placement(layer: Layer) -> dict[str, Any]:
    """Give the arguments that put another layer on the same grid."""
    return {
        "scale": layer.scale,
        "translate": layer.translate,
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": layer.affine.affine_matrix,
        "units": layer.units,
    }
