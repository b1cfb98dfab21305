"""From napari's image layers to volumes and back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.geometry import SAME_PLACE, corner_distance, same_place
from napari_contrastseg.io.volume import Source, Volume, array_affine
from napari_contrastseg.ui.viewer.layer_files import VOLUME_KEY, refuse_part_of_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer
    from numpy.typing import NDArray

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
    flat = volume.shape[0] == 1 and volume.kind == "stack"
    about: dict[str, Any] = {
        "name": volume.id,
        "scale": volume.spacing[flat:],
        "translate": _shown(volume)[flat:3, 3],
        "metadata": {VOLUME_KEY: volume},
    }
    if flat:
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
        A layer is of another kind, has a time axis, is sheared, does not lie on the
        grid of the others, or does not show the whole of its file.
    """
    if not layers:
        raise InputError("Choose an image layer first.")
    for layer in layers:
        if not isinstance(layer, Image):
            raise InputError(f"{layer.name}: is not an image layer; choose an image.")
        refuse_part_of_file(layer)
    for other in layers[1:]:
        _refuse_other_grid(other, layers[0])
    known = layers[0].metadata.get(VOLUME_KEY)
    data = tuple(plane for layer in layers for plane in _planes(layer))
    if isinstance(known, Volume) and known.shape == tuple(data[0].shape):
        source, kind, affine = known.source, known.kind, known.affine
    else:
        source, affine = Source(), affine_of(layers[0])
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


def shown_upright(layer: Layer, axis: int) -> bool:
    """Whether a layer must be shown along its own axes to be seen slice by slice.

    Its rotation is its place in the world then, as other readers show it; one that a
    person gave to a layer of ours is refused.
    """
    return tilted(layer, axis) and VOLUME_KEY not in layer.metadata


def refuse_tilted(layer: Layer, axis: int) -> None:
    """Refuse a layer whose slices napari cannot show one by one."""
    if tilted(layer, axis):
        raise InputError(
            f"{layer.name}: is rotated out of its slices along axis {axis}, which "
            "napari cannot show one by one; undo the rotation of the layer, or "
            "resample the image."
        )


def file_affine(layer: Layer) -> NDArray[np.float64] | None:
    """Affine of the file that a layer came from, where our reader left it.

    None once the layer was moved or shows another grid: what is shown counts then.
    """
    known = layer.metadata.get(VOLUME_KEY)
    if not isinstance(known, Volume):
        return None
    return known.affine if shown_on_grid_of(layer, known) else None


def shown_on_grid_of(layer: Layer, volume: Volume) -> bool:
    """Whether a layer shows the grid on which our reader's image layers are shown."""
    shape = _shape(layer)
    shown = _shown(volume)[-layer.ndim - 1 :, -layer.ndim - 1 :]
    return volume.shape == _in_space(shape) and same_place(shape, shown, _linear(layer))


def shown_elsewhere(volume: Volume) -> bool:
    """Whether a volume lies oblique, so that it is shown elsewhere than where it is."""
    shown = array_affine(np.ones(3)) @ _shown(volume)
    return not same_place(volume.shape, volume.affine, shown)


def says_no_place(layer: Layer) -> bool:
    """Whether a layer is an array that nobody placed in the world."""
    origin = np.eye(layer.ndim + 1)
    placed = not same_place(_shape(layer), origin, _linear(layer))
    return not placed and VOLUME_KEY not in layer.metadata


def mask_distance(layer: Layer, volume: Volume, image: Layer | None) -> float:
    """Distance of a mask's farthest corner from a volume's of one shape, in voxels.

    By the affines that the files state, where those are known: a rotation is not shown.
    Otherwise the mask was drawn on what is shown, or another reader has rotated it.
    """
    stated = file_affine(layer)
    if stated is not None and (image is None or VOLUME_KEY in image.metadata):
        return corner_distance(volume.shape, volume.affine, stated)
    shown = _shown(volume) if image is None else _linear(image)
    mine = _linear(layer)
    n = min(len(mine), len(shown)) - 1
    last = (slice(-n - 1, None),) * 2
    return min(
        corner_distance(volume.shape[-n:], shown[last], mine[last]),
        corner_distance(volume.shape, volume.affine, affine_of(layer)),
    )


def drawing_distance(layer: Layer, volume: Volume) -> float:
    """Distance of a layer's farthest corner from its volume's own place, in voxels."""
    if layer.ndim < _VOLUME:
        return 0.0
    return corner_distance(volume.shape, volume.affine, affine_of(layer))


def _refuse_other_grid(layer: Layer, first: Layer) -> None:
    """Refuse a channel that has another shape or place than the first one."""
    shape, distance = _shape(layer), np.inf
    if shape == _shape(first):
        theirs, mine = file_affine(first), file_affine(layer)
        if theirs is not None and mine is not None:
            distance = corner_distance(_in_space(shape), theirs, mine)
        else:
            distance = corner_distance(shape, _linear(first), _linear(layer))
    if distance > SAME_PLACE:
        off = f" (a corner is {distance:.3g} voxels off)" if distance < np.inf else ""
        raise InputError(
            f"{layer.name}: lies on another grid than {first.name}{off}; channels need "
            "the same shape, scale and position."
        )


def _in_space(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give the shape of a picture as that of one slice."""
    return (1,) * (_VOLUME - len(shape)) + shape


def _shape(layer: Layer) -> tuple[int, ...]:
    data = layer.data[0] if layer.multiscale else layer.data
    return tuple(data.shape)[: layer.ndim]  # without an axis of colours


def _shown(volume: Volume) -> NDArray[np.float64]:
    """Matrix from a volume's indices to napari's world, as `layer_for` shows it."""
    matrix = np.diag([*volume.spacing, 1.0])
    matrix[:3, 3] = (volume.affine[:3, 3] * (-1, -1, 1))[::-1]
    return matrix


def _linear(layer: Layer) -> NDArray[np.float64]:
    """Homogeneous matrix from the layer's data to napari's world, in mm."""
    n = layer.ndim
    origin = np.asarray(layer.data_to_world(np.zeros(n)), dtype=np.float64)
    matrix = np.eye(n + 1)
    for axis in range(n):
        step = np.asarray(layer.data_to_world(np.eye(n)[axis]), dtype=np.float64)
        matrix[:n, axis] = step[-n:] - origin[-n:]
    matrix[:n, n] = origin[-n:]
    units = [_TO_MM.get(str(unit), 1.0) for unit in layer.units][-n:]
    matrix[:n] *= np.asarray(units)[:, None]
    return matrix


def affine_of(layer: Layer) -> NDArray[np.float64]:
    """Affine, index to RAS+ mm, of a layer whose axes are (z, y, x) or (y, x)."""
    n = layer.ndim
    small = _linear(layer)
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
