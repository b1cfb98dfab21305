"""Export OME-Zarr: masks as labels of the image, with its scale, place and levels."""

from __future__ import annotations

import math
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import uuid4

import numpy as np

from napari_contrastseg.io.blocks import blocks
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.volume import array_affine, lengths
from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.session.classes import PALETTE
from napari_contrastseg.session.storage.large_files import need_images
from napari_contrastseg.tasks.exported_masks import (
    CONTENT,
    classes_in,
    exported_masks,
    missing_volume,
    stems_of,
)
from napari_contrastseg.tasks.exports import Export, Output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

    from napari_contrastseg.io.blocks import Key
    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.session.classes import Classes
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.tasks.exported_masks import ExportedMask

_ENDING: Final = ".ome.zarr"
_LABELS: Final = "mask"
#: Pixels of a level's longer side from which there is a coarser one.
_LARGE: Final = 512
_CHUNK: Final = (16, 256, 256)
#: Voxels that are read and written at once, as far as a chunk's height has fewer.
_AT_ONCE: Final = 2**23
#: Part of a voxel's step that may point along another axis, from rounding.
_TILT: Final = 1e-3
_UNITS: Final = {"mm": "millimeter", "µm": "micrometer"}
Version = Literal["0.4", "0.5"]


@dataclass(frozen=True)
class OmeZarrOptions:
    """What is written."""

    complete: Annotated[bool, CONTENT] = True
    version: Annotated[
        Version, Setting("Of the format; not all programs read 0.5 (Zarr 3) yet.")
    ] = "0.4"
    image: Annotated[
        bool,
        Setting(
            "Whether a copy of the image comes with its labels; programs show them "
            "together.",
            label="with the image",
        ),
    ] = True


def run(session: Session, options: OmeZarrOptions, output: Output) -> Iterator[Path]:
    """Write one folder a volume."""
    for record in session.all_records.values():
        _refuse_oblique(record.volume)
        if options.image:
            need_images([record.volume])
    paths = output.claim(*(f"{stem}{_ENDING}" for stem in stems_of(session)))
    masks = exported_masks(session, complete=options.complete)
    for path, one in zip(paths, masks, strict=True):
        with _replacing_folder(path) as folder:
            _write(folder, one, classes_in(session, one.mask), options)
        yield from sorted(file for file in path.rglob("*") if file.is_file())


def _refuse_oblique(volume: Volume) -> None:
    turned = np.linalg.inv(array_affine(volume.spacing)[:3, :3]) @ volume.affine[:3, :3]
    if np.abs(turned - np.eye(3)).max() > _TILT:
        raise InputError(
            f"{volume.id}: lies oblique or turned in the world, which OME-Zarr cannot "
            "say; export masks as NIfTI or for 3D Slicer instead."
        )


@contextmanager
def _replacing_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path` and rename it there when all went well."""
    temporary = path.with_name(f".{uuid4().hex[:8]}-part")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)
    except OSError as error:
        raise InputError(f"{path}: could not be written ({error.strerror}).") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(
    folder: Path, one: ExportedMask, classes: Classes, options: OmeZarrOptions
) -> None:
    import zarr  # noqa: PLC0415  slow to load

    number: Literal[2, 3] = 2 if options.version == "0.4" else 3
    volume = one.record.volume
    root = zarr.open_group(folder, mode="w", zarr_format=number)
    if options.image:
        count = len(volume.data)
        about = _multiscale(root, _Pixels(volume), volume, one.stem)
        if count > 1:
            shown = (_shown(volume, n, PALETTE[n % len(PALETTE)]) for n in range(count))
            about["omero"] = {"channels": list(shown)}
        _describe(root, about, options.version)
    labels = root.create_group("labels")
    _describe(labels, {"labels": [_LABELS]}, options.version)
    mask = labels.create_group(_LABELS)
    about = _multiscale(mask, _Labels(one.mask), volume, _LABELS)
    about["image-label"] = _of_classes(classes, with_image=options.image)
    _describe(mask, about, options.version)


class _Labels:
    """A mask, read in parts."""

    def __init__(self, mask: NDArray[np.uint8]) -> None:
        self._mask = mask
        self.shape, self.dtype = mask.shape, mask.dtype

    def part(self, key: Key) -> NDArray[Any]:
        """Read a part."""
        return self._mask[key]


class _Pixels:
    """An image, read in parts; of several channels these come first."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        channels = volume.data
        lead = (len(channels),) if len(channels) > 1 else ()
        self.shape = (*lead, *volume.shape)
        self.dtype = np.result_type(*(c.dtype for c in channels))

    def part(self, key: Key) -> NDArray[Any]:
        """Read a part."""
        if len(self._volume.data) == 1:
            return self._volume.part(0, key)
        channels = range(len(self._volume.data))[key[0]]
        return np.stack([self._volume.part(c, key[1:]) for c in channels])


def _describe(group: zarr.Group, about: dict[str, Any], version: Version) -> None:
    """Write metadata where the version of the format has it."""
    if version == "0.5":
        group.attrs["ome"] = {"version": version, **about}
        return
    for one in (*about.get("multiscales", ()), about.get("image-label")):
        if one is not None:
            one["version"] = version
    group.attrs.update(about)


def _multiscale(
    group: zarr.Group, array: _Labels | _Pixels, volume: Volume, name: str
) -> dict[str, Any]:
    """Write an array at its own size and, in its slices, at half of it and so on.

    Each level has every second pixel of the finer one, so that the first pixel of all
    lies in one place, and the labels' levels are the image's.
    """
    lead = len(array.shape) - len(_CHUNK)
    sizes, unit = lengths(volume)
    factor = 1e3 if unit == "µm" else 1.0
    x, y, z = volume.affine[:3, 3] * (-1, -1, 1) * factor
    datasets = []
    for level in range(64):
        shape = _save(group, str(level), array, 2**level)
        scale = [*[1.0] * lead, *(sizes * (1, 2**level, 2**level)).tolist()]
        place = [*[0.0] * lead, float(z), float(y), float(x)]
        transforms = [
            {"type": "scale", "scale": scale},
            {"type": "translation", "translation": place},
        ]
        datasets.append({"path": str(level), "coordinateTransformations": transforms})
        if max(shape[-2:]) <= _LARGE:
            break
    axes: list[dict[str, str]] = [{"name": a, "type": "space"} for a in "zyx"]
    if unit in _UNITS:
        axes = [axis | {"unit": _UNITS[unit]} for axis in axes]
    axes = [{"name": "c", "type": "channel"}] * lead + axes
    return {"multiscales": [{"name": name, "axes": axes, "datasets": datasets}]}


def _save(
    group: zarr.Group, name: str, array: _Labels | _Pixels, step: int
) -> tuple[int, ...]:
    """Write each `step`th pixel of an array, a few slices at a time; its shape."""
    *lead, depth, rows, columns = array.shape
    shape = (*lead, depth, -(-rows // step), -(-columns // step))
    chunks = tuple(map(min, _CHUNK, shape[-3:]))
    made = group.create_array(
        name,
        shape=shape,
        dtype=array.dtype,
        chunks=(*[1] * len(lead), *chunks),
        fill_value=0,
        chunk_key_encoding={
            "name": "v2" if group.metadata.zarr_format == 2 else "default",  # noqa: PLR2004
            "separator": "/",
        },
    )
    high, tall = chunks[:2]
    tall *= max(1, _AT_ONCE // (high * tall * columns))
    starts = product(
        *map(range, lead), range(0, depth, high), range(0, rows, tall * step)
    )
    for *at, first, top in starts:
        slices, lines = slice(first, first + high), slice(top, top + tall * step)
        channel = [slice(c, c + 1) for c in at]
        fine = (*channel, slices, lines, slice(0, columns))
        row = slice(top // step, top // step + tall)
        made[(*channel, slices, row)] = array.part(fine)[..., ::step, ::step]
    return shape


def _shown(volume: Volume, number: int, colour: str) -> dict[str, Any]:
    """Say how programs show a channel at first."""
    low, high = math.inf, -math.inf
    for key in blocks(volume.shape):
        part = volume.part(number, key)
        finite = part[np.isfinite(part)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        low, high = 0, 1
    window = {"min": low, "max": high, "start": low, "end": high}
    name = volume.channels[number]
    return {"label": name, "color": colour[1:], "window": window, "active": True}


def _of_classes(classes: Classes, *, with_image: bool) -> dict[str, Any]:
    """Names and colours of label values."""
    found: dict[str, Any] = {
        "colors": [
            {"label-value": c.id, "rgba": [*bytes.fromhex(c.colour[1:]), 255]}
            for c in classes
        ],
        "properties": [{"label-value": c.id, "class": c.name} for c in classes],
    }
    return found | ({"source": {"image": "../../"}} if with_image else {})


EXPORT = Export(
    name="ome_zarr",
    title="OME-Zarr",
    summary="One .ome.zarr a volume: the image, and its mask as labels",
    options=OmeZarrOptions(),
    missing=missing_volume,
    run=run,
)
