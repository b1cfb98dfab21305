"""From napari's image layers to volumes and back."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from napari.layers import Image
from napari.layers.utils.stack_utils import stack_to_images
from napari.utils import DirectLabelColormap
from napari.utils.colormaps import label_colormap

from napari_contrastseg.io.array_order import in_order_of
from napari_contrastseg.io.channels import MOST_CHANNELS, channel_names
from napari_contrastseg.io.choice import NotUprightError
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.geometry import SAME_PLACE, corner_distance, same_place
from napari_contrastseg.io.intensities import HIGH, LOW, fill_note, intensity_range
from napari_contrastseg.io.lazy_image import LazyImage, lazily, unread_array
from napari_contrastseg.io.resample import resample_slices
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.io.volume import (
    BY_SPACING,
    MAX_SHEAR_COSINE,
    Source,
    Volume,
    array_affine,
    resized,
    skew,
    spacing_of,
)
from napari_contrastseg.ui.viewer.layer_files import (
    VOLUME_KEY,
    refuse_part_of_file,
    shows_as_it_is,
    volume_of_files,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_contrastseg.io.segments import Segment

_PLANE, _VOLUME = 2, 3
#: Voxels of an image beyond which reading some of it takes long.
_MANY: Final = 2**26
#: Pixels along each side of a slice's middle that say how bright an image is shown.
_SEEN: Final = 2048
#: Slices across the axes nearest to superior, posterior and left.
ANATOMICAL: Final = ("axial", "coronal", "sagittal")
#: Part of a voxel's step that may point along another axis, from rounding.
TILT: Final = 1e-3
_TO_MM: Final = {
    "meter": 1e3,
    "centimeter": 10.0,
    "millimeter": 1.0,
    "micrometer": 1e-3,
    "nanometer": 1e-6,
}


class ShearedLayerError(NotUprightError):
    """A layer's grid is sheared, whatever file it came from."""


class ManyAxesError(InputError):
    """A layer has more axes than a volume: which part is meant is to be chosen.

    Attributes
    ----------
    layer : Layer
    axis, count : int
        The first axis that is longer than one, and its length.
    as_channels : bool
        Whether its positions may be the channels of one volume.
    why : str
        The sentence without the way on.
    """

    def __init__(self, layer: Layer, ndim: int) -> None:
        self.layer = layer
        shape = _shape(layer)
        self.axis = next(axis for axis, n in enumerate(shape) if n > 1)
        self.count = shape[self.axis]
        self.as_channels = ndim == _VOLUME + 1 and self.count <= MOST_CHANNELS
        self.why = f"{layer.name}: has {ndim} dimensions (time or channels?)"
        super().__init__(
            f"{self.why}; choose one time point, or split it (right click on the "
            "layer, Split Stack)."
        )


def split_layer(layer: Layer, axis: int, position: int | None) -> list[Layer]:
    """Make image layers of the positions along an axis, or of one of them."""
    parts = stack_to_images(layer, axis)
    for number, part in enumerate(parts):
        part.name = f"{layer.name} {number}"
    return parts if position is None else [parts[position]]


def layer_for(volume: Volume) -> tuple[Any, dict[str, Any], str]:
    """Make napari layer data of a volume that was read from a file.

    Orthogonal placement is shown; the whole affine stays in the volume, for export.
    """
    flat = volume.shape[0] == 1 and volume.kind == "stack"
    about: dict[str, Any] = {
        "name": volume.id,
        "scale": volume.spacing[flat:],
        "translate": _shown(volume)[flat:3, 3],
        "units": (volume.source.unit,) * (_VOLUME - flat),
        "axis_labels": axis_words(volume)[flat:],
        "metadata": {VOLUME_KEY: volume},
    }
    planes = [unread_array(c) for c in volume.data]
    if flat:
        planes = [plane[0] for plane in planes]
    if volume.channels == ("red", "green", "blue"):
        return _in_colours(planes), about | {"rgb": True}, "image"
    if volume.segments and planes[0].dtype.kind in "iu":
        return planes[0], about | {"colormap": _colours(volume)}, "labels"
    return planes[0], about | _limits(volume), "image"


def axis_words(volume: Volume) -> tuple[str, ...]:
    """Name a volume's axes: by how its slices lie in a body where that is known."""
    words = ["z", "y", "x"]
    if volume.anatomical:
        for axis, word in zip(volume.body_axes, ANATOMICAL, strict=True):
            words[axis] = word
    return tuple(words)


def _in_colours(planes: list[Any]) -> Any:
    """Give three channels along a last axis; on the disk, where they are large."""
    first = planes[0]
    if isinstance(first, LazyImage):
        lying_so = first.with_samples(planes[1:])
        if lying_so is not None:
            return lying_so
    made = zeros((*first.shape, len(planes)), first.dtype)
    for number, plane in enumerate(planes):
        for index in range(len(plane)):
            made[index, ..., number] = np.asarray(plane[index])
    return made


def _limits(volume: Volume) -> dict[str, Any]:
    """Give the contrast limits of a lazy image; napari would read all of a picture.

    By the middle, which the viewer shows first and waits for anyway, or by what is read
    evenly where that is all alike. None of eight bits, of a mask, or where there is
    nothing to be seen.
    """
    channel = volume.data[0]
    if not isinstance(channel, LazyImage) or channel.dtype == np.uint8:
        return {}
    key = [slice(max(n - _SEEN, 0) // 2, (n + _SEEN) // 2) for n in volume.shape]
    middle = (volume.shape[volume.axis] - 1) // 2
    key[volume.axis] = slice(middle, middle + 1)
    values = volume.part(0, tuple(key), np.float64)
    values = values[np.isfinite(values)]
    if values.size:
        low, high = np.percentile(values, (LOW, HIGH)).tolist()
        if high > low:
            return {"contrast_limits": (low, high)}
    try:
        lowest, highest = intensity_range(volume, volume.axis)
    except InputError:
        return {}
    return {"contrast_limits": (float(lowest[0, 0, 0]), float(highest[0, 0, 0]))}


def _colours(volume: Volume) -> DirectLabelColormap:
    """Give the colours that a mask's file says, and napari's own of other values."""
    usual = label_colormap(len(volume.segments))
    found: dict[int | None, Any] = {0: "transparent", None: "gray"}
    for number, one in enumerate(volume.segments, start=1):
        found[one.value] = one.colour or usual.map(number)
    return DirectLabelColormap(color_dict=found)


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


def show_past_fill_values(volume: Volume, axis: int, layers: Sequence[Image]) -> None:
    """Let image layers, one a channel, show the intensities beside a fill value."""
    if len(layers) != len(volume.data) or fill_note(volume, axis) is None:
        return
    low, high = (bounds.ravel() for bounds in intensity_range(volume, axis))
    for layer, *limits in zip(layers, low, high, strict=True):
        layer.contrast_limits = layer.contrast_limits_range = limits


def volume_from(layers: Sequence[Layer], name: str) -> Volume:
    """Make a volume of image layers; several are the channels of one volume.

    Raises
    ------
    SeveralPartsError
        The layers' file holds several images; which one is to be chosen.
    NotUprightError
        The slices of the layers' file are tilted or uneven.
    ShearedLayerError
        A layer's grid is sheared; `straightened` resamples it.
    InputError
        A layer is of another kind, has a time axis, does not lie on the grid of the
        others, or does not show the whole of its file.
    """
    if not layers:
        raise InputError("Choose an image layer first.")
    for layer in layers:
        if not isinstance(layer, Image):
            raise InputError(f"{layer.name}: is not an image layer; choose an image.")
    found = volume_of_files(layers, asking=True)
    if found is not None:
        return _placed(found, layers, name)
    for layer in layers:
        refuse_part_of_file(layer)
    known = layers[0].metadata.get(VOLUME_KEY)
    data = tuple(
        plane
        for number, layer in enumerate(layers)
        for plane in (_on_grid_of(layers[0], layer) if number else _planes(layer))
    )
    if isinstance(known, Volume) and known.shape == tuple(data[0].shape):
        source, kind, affine = known.source, known.kind, known.affine
    else:
        source, affine = Source(unit=unit_of(layers[0])), affine_of(layers[0])
        if skew(affine) > MAX_SHEAR_COSINE:
            raise ShearedLayerError(
                f"{name}: is sheared, its voxels' sides are not at right angles"
            )
        kind = "stack" if data[0].shape[0] == 1 else "volume"
    names = _channel_names(layers, len(data))
    return Volume(name, data, affine, names, source, kind)


def _channel_names(layers: Sequence[Layer], count: int) -> tuple[str, ...]:
    """Name channels as their layers; the colours of one layer are named so."""
    if count == len(layers):
        return tuple(layer.name for layer in layers)
    return channel_names(count)


def straightened(layers: Sequence[Layer], name: str) -> Volume:
    """Make a volume of sheared layers, resampled to a grid at right angles.

    The slices of the first axis keep their direction from one to the next.
    """
    data = [plane for layer in layers for plane in _planes(layer)]
    affine = affine_of(layers[0])
    origins = affine[:3, 3] + np.outer(np.arange(data[0].shape[0]), affine[:3, 0])
    in_plane = [np.asarray(channel).transpose(1, 2, 0) for channel in data]
    made, upright = resample_slices(name, in_plane, affine[:3, 1:3].T, origins)
    names = _channel_names(layers, len(data))
    channels = tuple(channel.transpose(2, 0, 1) for channel in made)
    source = Source(upright=True, unit=unit_of(layers[0]))
    return Volume(name, channels, upright[:, [2, 0, 1, 3]], names, source)


def _placed(found: Volume, layers: Sequence[Layer], name: str) -> Volume:
    """Give a file's volume its id; where the file knows no voxel size, the layer may.

    Where the layer shows it as it is, the layer's array, which may be lazy, is kept.
    """
    data = found.data
    if len(layers) == 1 and shows_as_it_is(layers, found):
        data = tuple(_planes(layers[0]))
    names = (layers[0].name,) if len(data) == 1 else found.channels
    placed = Volume(name, data, found.affine, names, found.source, found.kind)
    if size_known(found) or says_no_place(layers[0]):
        return placed
    affine = affine_of(layers[0])
    sized = resized(placed, spacing_of(affine).tolist(), unit_of(layers[0]))
    return replace(sized, affine=affine, axis=BY_SPACING)


def unit_of(layer: Layer) -> Literal["mm", "pixel"]:
    """Say whether a layer's lengths have a unit, which is mm here, or are pixels'."""
    units = [str(layer.units[axis]) for axis in _space(layer)]
    return "mm" if all(unit in _TO_MM for unit in units) else "pixel"


def size_known(volume: Volume) -> bool:
    """Whether anything says how large a voxel is."""
    return volume.anatomical or volume.source.unit != "pixel"


def needs_own_layers(layers: Sequence[Layer], volume: Volume) -> bool:
    """Whether what other readers show is in another order or place than the volume."""
    if layers[0].ndim > _VOLUME:  # with axes of length one
        return True
    if volume.source.upright and VOLUME_KEY not in layers[0].metadata:
        return True
    if VOLUME_KEY in layers[0].metadata or volume.source.path is None:
        return False
    if not shows_as_it_is(layers, volume):
        return True
    first = layers[0]
    shape = volume.shape[-first.ndim :]
    last = (slice(-first.ndim - 1, None),) * 2
    here = same_place(shape, _shown(volume)[last], _linear(first))
    return size_known(volume) and not here


def _planes(layer: Image) -> list[Any]:
    """Give the layer's channels as 3-D arrays."""
    data = _whole(layer)
    ones = tuple(a for a in range(layer.ndim) if a not in _space(layer))
    if ones:
        data = (
            data.squeeze(axis=ones)
            if hasattr(data, "squeeze")
            else np.squeeze(np.asarray(data), axis=ones)
        )
    if np.issubdtype(data.dtype, np.complexfloating):
        raise InputError(
            f"{layer.name}: holds complex numbers; take a magnitude first."
        )
    channels = [data[..., i] for i in range(3)] if layer.rgb else [data]
    if channels[0].ndim == _PLANE:
        channels = [c[None] for c in channels]
    if channels[0].ndim != _VOLUME:
        raise ManyAxesError(layer, channels[0].ndim)
    return channels


def _space(layer: Layer) -> list[int]:
    """List a layer's axes, but for axes of length one before the three of space."""
    shape = _shape(layer)
    ones = [axis for axis, n in enumerate(shape) if n == 1]
    left_out = ones[: max(0, len(shape) - _VOLUME)]
    return [axis for axis in range(len(shape)) if axis not in left_out]


def _whole(layer: Layer) -> Any:
    """Give a layer's data, the finest level; as numpy where it knows no numpy type.

    What is lazy there and large is read to the disk when it is asked for, once.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    known = isinstance(data.dtype, np.dtype)
    return lazily(layer.name, data) if known else np.asarray(data)


def is_large(layer: Layer) -> bool:
    """Whether an image layer's voxels are beyond what is read within a blink."""
    if not isinstance(layer, Image):
        return False
    data = layer.data[0] if layer.multiscale else layer.data
    return bool(math.prod(data.shape) > _MANY)


def levels_note(layers: Sequence[Layer], volume: Volume) -> str | None:
    """Say in one sentence which resolution of several is taken."""
    levels = [len(layer.data) for layer in layers if layer.multiscale]
    if not levels or max(levels) == 1:
        return None
    size = " x ".join(map(str, volume.shape))
    return (
        f"{volume.id}: has {max(levels)} resolutions, of which the finest ({size} "
        "voxels) is labelled, learned and predicted; open a coarser one by itself, as "
        "a part of its file, if that is too large."
    )


@dataclass(frozen=True, eq=False)
class MaskGrid:
    """A mask's values, and its grid and an image's in one world.

    Attributes
    ----------
    labels : array
        3-D, but for layers with more axes.
    mask, image : (4, 4) float
        Voxel index to world.
    """

    labels: NDArray[Any]
    mask: NDArray[np.float64]
    image: NDArray[np.float64]


def mask_grid(layer: Layer, volume: Volume, image: Layer | None) -> MaskGrid:
    """Give a mask layer's values and grid, in the image's order where files say it.

    By the affines that files state, where those are known; else by what is shown, or,
    of a layer that another reader has rotated, by the world.
    """
    labels = np.asarray(_whole(layer))
    if layer.ndim > _VOLUME:
        return _squeezed(layer, labels, volume)
    labels = labels[None] if labels.ndim == _PLANE else labels
    stated = _file_volume(layer)
    if stated is not None and (image is None or VOLUME_KEY in image.metadata):
        mask = replace(stated, data=(labels,), channels=("mask",))
        mask = in_order_of(mask, volume)
        return MaskGrid(np.asarray(mask.data[0]), mask.affine, volume.affine)
    if any(tilted(layer, axis) for axis in range(_VOLUME)):
        return MaskGrid(labels, affine_of(layer), volume.affine)
    shown = _world(_shown(volume)) if image is None else affine_of(image)
    return MaskGrid(labels, affine_of(layer), shown)


def _squeezed(layer: Layer, labels: NDArray[Any], volume: Volume) -> MaskGrid:
    """Give the grid of a layer with more axes, without those of length one."""
    axes = list(range(layer.ndim))
    while len(axes) > _VOLUME and 1 in (labels.shape[axis] for axis in axes):
        axes.remove(next(axis for axis in axes if labels.shape[axis] == 1))
    if len(axes) > _VOLUME:
        raise InputError(
            f"{layer.name}: has {layer.ndim} dimensions (channels or time?); split it "
            "first (right click on the layer, Split Stack), and take one part."
        )
    kept = [*axes, layer.ndim]
    matrix = _linear(layer)[np.ix_(kept, kept)]
    left_out = tuple(axis for axis in range(layer.ndim) if axis not in axes)
    return MaskGrid(labels.squeeze(left_out), _world(matrix), _world(_shown(volume)))


def segments_of(layer: Layer) -> tuple[Segment, ...]:
    """Give what the file that our reader read says of a mask layer's values."""
    known = layer.metadata.get(VOLUME_KEY)
    return known.segments if isinstance(known, Volume) else ()


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


def _file_volume(layer: Layer) -> Volume | None:
    """Give the volume of the file that a layer came from, where our reader left it.

    None once the layer was moved or shows another grid: what is shown counts then.
    """
    known = layer.metadata.get(VOLUME_KEY)
    if not isinstance(known, Volume):
        return None
    return known if shown_on_grid_of(layer, known) else None


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
    stated = _file_volume(layer)
    if stated is not None and (image is None or VOLUME_KEY in image.metadata):
        ordered = in_order_of(stated, volume)
        return corner_distance(volume.shape, volume.affine, ordered.affine)
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


def _on_grid_of(first: Layer, layer: Image) -> list[Any]:
    """Give a further channel's arrays in the order of the first one.

    Raises
    ------
    InputError
        It has another shape or place.
    """
    planes, theirs, mine = _planes(layer), _file_volume(first), _file_volume(layer)
    distance = np.inf
    if theirs is not None and mine is not None:
        named = tuple(str(number) for number in range(len(planes)))
        mine = in_order_of(replace(mine, data=tuple(planes), channels=named), theirs)
        if mine.shape == theirs.shape:
            distance = corner_distance(mine.shape, theirs.affine, mine.affine)
        planes = list(mine.data)
    elif _shape(layer) == _shape(first):
        distance = corner_distance(_shape(layer), _linear(first), _linear(layer))
    if distance > SAME_PLACE:
        off = f" (a corner is {distance:.3g} voxels off)" if distance < np.inf else ""
        raise InputError(
            f"{layer.name}: lies on another grid than {first.name}{off}; channels need "
            "the same shape, scale and position."
        )
    return planes


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


def name_axes(layer: Layer, volume: Volume) -> None:
    """Name the axes of a layer of napari's own, which has numbers for names."""
    numbers = tuple(str(axis) for axis in range(-layer.ndim, 0))
    words = axis_words(volume)[-layer.ndim :]
    if layer.axis_labels == numbers and len(words) == layer.ndim:
        layer.axis_labels = words


def affine_of(layer: Layer) -> NDArray[np.float64]:
    """Affine, index to RAS+ mm, of a layer whose axes are (z, y, x) or (y, x)."""
    space = _space(layer)
    return _world(_linear(layer)[np.ix_([*space, -1], [*space, -1])])


def _world(small: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn a matrix to napari's world, of (z, y, x) or (y, x), into one to RAS+."""
    n = len(small) - 1
    world = np.eye(4)
    first = _VOLUME - n
    world[first:3, first:3] = small[:n, :n]
    world[first:3, 3] = small[:n, n]
    return np.asarray(array_affine(np.ones(3)) @ world)


def placement(layer: Layer) -> dict[str, Any]:
    """Give the arguments that put another layer on the same grid."""
    return {
        "scale": layer.scale,
        "translate": layer.translate,
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": layer.affine.affine_matrix,
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }
