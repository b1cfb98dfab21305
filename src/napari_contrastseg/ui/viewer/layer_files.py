"""Files that layers of any reader were opened from, as our own reader reads them."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.array_order import in_order_of
from napari_contrastseg.io.choice import NotUprightError, SeveralPartsError
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import ending_of, format_of, is_image
from napari_contrastseg.io.formats.picture_folder import NAME as PICTURE_FOLDER
from napari_contrastseg.io.formats.picture_folder import PICTURES
from napari_contrastseg.io.images import (
    count_voxels,
    read_volume,
    words_of_unpacking,
)
from napari_contrastseg.io.lazy_image import LazyImage, unread_array

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

#: Key under which our reader leaves the volume in a layer's metadata.
VOLUME_KEY: Final = "contrastseg_volume"
#: Slices of a layer that are held against its file.
_LOOKS: Final = 5
#: Pixels along each side of the middle that is looked at in large ones.
_MIDDLE: Final = 512


def refuse_part_of_file(layer: Layer) -> None:
    """Refuse a layer whose file is damaged, or holds more than another reader took.

    napari shows the first image of a file, and what it finds of a truncated one.
    """
    file = _file_of(layer)
    if file is None:
        return
    finest = layer.data[0] if layer.multiscale else layer.data
    held, shown = count_voxels(file), math.prod(finest.shape[: layer.ndim])
    if shown < held:
        raise InputError(
            f"{file}: holds {held} voxels, but its layer {layer.name} shows {shown}; "
            "save it as one stack, for example with Fiji, and open that, or duplicate "
            "the layer to use the part it shows."
        )


def _file_of(layer: Layer) -> Path | None:
    """Find the file or folder that another reader opened, if it is ours to read."""
    if VOLUME_KEY in layer.metadata or not layer.source.path:
        return None
    path = Path(layer.source.path)
    if path.is_dir():
        return path if is_image(path, as_one=True) else None
    return path if ending_of(path) and path.is_file() else None


def of_several_pictures(layer: Layer) -> bool:
    """Whether another reader made a layer's slices of pictures in files of their own.

    napari names the first of several files that it stacked.
    """
    file = _file_of(layer)
    if file is None or file.is_dir() or math.prod(_shape(layer)[:-2]) == 1:
        return False
    return format_of(file).name in PICTURES and count_voxels(file) == math.prod(
        _shape(layer)[-2:]
    )


def words_of_files(layers: Sequence[Layer]) -> str:
    """Say what reading the layers' files again unpacks to the disk; "" for nothing."""
    words = []
    for file in dict.fromkeys(filter(None, map(_file_of, layers))):
        with suppress(InputError):  # said where it is read
            words.append(words_of_unpacking(file))
    return " ".join(filter(None, words))


def volume_of_files(layers: Sequence[Layer], *, asking: bool = False) -> Volume | None:
    """Read the files that layers show the whole of, if the values agree.

    With the files' own axes, channels and place. None where a layer was not opened
    from a file of ours to read, or has been changed since.

    Parameters
    ----------
    layers
    asking : bool
        Whether a choice can be asked for: of a file of several images another reader
        shows the first, or all of them as slices.

    Raises
    ------
    SeveralPartsError, NotUprightError
        If `asking`.
    """
    files = [_file_of(layer) for layer in layers]
    read: dict[Path, Volume] = {}
    for file in dict.fromkeys(files):
        volume = None if file is None else _read(file, asking=asking)
        if file is None or volume is None:
            return None
        read[file] = volume
    volumes = list(read.values())
    if len(volumes) == 1 and volumes[0].source.file_format == PICTURE_FOLDER:
        return volumes[0]  # napari's lazy stack of them may not hold all sizes
    if len(volumes) == 1:
        return volumes[0] if _shows(layers, volumes[0]) else None
    if len(volumes) < len(layers):
        return None
    for layer, volume in zip(layers, volumes, strict=True):
        if len(volume.data) > 1 or not _shows([layer], volume):
            return None
    volumes = [in_order_of(volume, volumes[0]) for volume in volumes]
    same = [v.shape == volumes[0].shape and v.same_place(volumes[0]) for v in volumes]
    names = tuple(layer.name for layer in layers)
    data = tuple(volume.data[0] for volume in volumes)
    return replace(volumes[0], data=data, channels=names) if all(same) else None


def _read(file: Path, *, asking: bool) -> Volume | None:
    """Read a file or folder; None where that fails, or a choice is not asked for."""
    try:
        return read_volume(file, as_one=True)
    except (SeveralPartsError, NotUprightError):
        if asking:
            raise
    except InputError:
        pass
    return None


def _shape(layer: Layer) -> tuple[int, ...]:
    """Give the shape of a layer's finest data, without an axis of colours."""
    finest = layer.data[0] if layer.multiscale else layer.data
    return tuple(finest.shape)[: layer.ndim]


def _shows(layers: Sequence[Layer], volume: Volume) -> bool:
    """Whether layers together show a volume, each a channel, or one layer all."""
    arrays = [layer.data[0] if layer.multiscale else layer.data for layer in layers]
    for channels in _orders(volume):
        if len(arrays) == 1 and _alike(arrays[0], channels):
            return True
        if len(arrays) == len(channels) and all(
            _alike(array, [channel])
            for array, channel in zip(arrays, channels, strict=True)
        ):
            return True
    return False


def shows_as_it_is(layers: Sequence[Layer], volume: Volume) -> bool:
    """Whether the layers' arrays are those of the volume's channels, or its colours."""
    if volume.source.file_format == PICTURE_FOLDER:
        return False  # to look would be to compute it
    arrays = [layer.data[0] if layer.multiscale else layer.data for layer in layers]
    flat = volume.shape[1:] if volume.shape[0] == 1 else volume.shape
    if getattr(layers[0], "rgb", False):
        counts = (len(volume.data), len(volume.data) + 1)  # or with transparency
        shapes = [(*s, n) for s in (volume.shape, flat) for n in counts]
    elif len(layers) == len(volume.data):
        shapes = [volume.shape, flat]
    else:
        return False
    channels = [unread_array(channel) for channel in volume.data]
    parts = [channels] if len(layers) == 1 else [[channel] for channel in channels]
    return all(
        tuple(array.shape) in shapes and _alike(array, part)
        for array, part in zip(arrays, parts, strict=True)
    )


def _orders(volume: Volume) -> Iterator[Sequence[Any]]:
    """Give a volume's channels in the orders in which other readers show them."""
    channels = [unread_array(channel) for channel in volume.data]
    in_file = [volume.source.to_file_order(channel) for channel in channels]
    yield channels
    yield in_file
    yield [channel.transpose() for channel in in_file]


def _alike(data: Any, channels: Sequence[Any]) -> bool:
    """Whether an array holds these channels and nothing else, wherever their axis is.

    Axes of length one are no matter, nor is a last sample that says how transparent a
    pixel is, which our readers leave out.
    """
    count, size = len(channels), math.prod(data.shape)
    transparent = len(data.shape) > 2 and data.shape[-1] == count + 1 in (2, 4)  # noqa: PLR2004
    if transparent and size == (count + 1) * channels[0].size:
        return _hold_all(data, len(data.shape) - 1, channels)
    if size != sum(channel.size for channel in channels):
        return False
    if count == 1:
        return _same(data, {}, channels[0])
    axes = [axis for axis, n in enumerate(data.shape) if n == count]
    return any(_hold_all(data, axis, channels) for axis in axes)


def _hold_all(data: Any, axis: int, channels: Sequence[Any]) -> bool:
    """Whether the positions along an axis hold these channels, in order."""
    return all(_same(data, {axis: n}, channel) for n, channel in enumerate(channels))


def _same(data: Any, at: dict[int, int], channel: Any) -> bool:
    """Whether a part of an array is equal to a channel, by some of its slices.

    Of a channel that is read when it is asked for, the middle of the slices.
    """
    one, other = _long_axes(data, at), _long_axes(channel, {})
    if [data.shape[axis] for axis in one] != [channel.shape[axis] for axis in other]:
        return False
    sizes = [channel.shape[axis] for axis in other]
    first, *rest = sizes or [1]
    cut: list[Any] = [slice(None)] * len(rest)
    if isinstance(channel, LazyImage):
        cut = [slice(max(n - _MIDDLE, 0) // 2, (n + _MIDDLE) // 2) for n in rest]
    for look in np.unique(np.linspace(0, first - 1, _LOOKS).astype(int)):
        mine = _part(data, at, one, [int(look), *cut])
        theirs = _part(channel, {}, other, [int(look), *cut])
        real = np.issubdtype(mine.dtype, np.inexact)
        if not np.array_equal(mine, theirs, equal_nan=real):
            return False
    return True


def _long_axes(data: Any, at: dict[int, int]) -> list[int]:
    """List the axes that are longer than one, but for those that are chosen."""
    return [axis for axis, n in enumerate(data.shape) if n > 1 and axis not in at]


def _part(
    data: Any, at: dict[int, int], axes: list[int], where: list[Any]
) -> NDArray[Any]:
    """Read a part of an array: along its long axes, at the chosen place, else at 0."""
    key: list[Any] = [at.get(axis, 0) for axis in range(len(data.shape))]
    for axis, one in zip(axes, where, strict=False):
        key[axis] = one
    return np.asarray(data[tuple(key)])
