"""Write TIFF, ImageJ's or OME: packed, BigTIFF where needed, voxel size and unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import tifffile

from napari_contrastseg.io.files import replacing
from napari_contrastseg.io.volume import lengths

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

#: Bytes up to which ImageJ's kind of TIFF is written; its offsets have 32 bits.
MOST_OF_IMAGEJ: Final = 4 * 10**9
_IMAGEJ_TYPES: Final = "BHhf"
_OME_ENDINGS: Final = (".ome.tif", ".ome.tiff")
_NAME: Final = "tiff"
#: Values of ResolutionUnit that are lengths: inch and cm.
_LENGTHS: Final = (2, 3)
#: Words of a length in ImageJ and in OME.
_IMAGEJ_WORDS: Final = {"mm": "mm", "µm": "micron", "pixel": "pixel"}


def write(path: Path, array: NDArray[Any], volume: Volume) -> None:
    """Write a stack (z, y, x) with its voxel size and unit.

    A name that ends in `.ome.tif` makes it OME-TIFF, as does a stack that is too large
    for ImageJ's kind, of a type that has no place in it, or of an image whose tags say
    its resolution, which ITK reads. A unit that nobody knows stays unknown.
    """
    tags = _resolution_tags(volume)
    ome = (
        bool(tags)
        or path.name.lower().endswith(_OME_ENDINGS)
        or array.nbytes > MOST_OF_IMAGEJ
    )
    ome = ome or array.dtype.char not in _IMAGEJ_TYPES
    ome = ome or array.shape[-1] == 1  # tifffile 2026.3 takes ImageJ's z for samples
    about = _of_ome(volume) | tags if ome else _of_imagej(volume)
    with replacing(path) as temporary:
        tifffile.imwrite(
            temporary,
            np.ascontiguousarray(array),
            photometric="minisblack",  # a last axis of 3 or 4 voxels is not a colour
            compression="zlib",
            bigtiff=array.nbytes > MOST_OF_IMAGEJ,
            **about,
        )


def _of_imagej(volume: Volume) -> dict[str, Any]:
    (z, y, x), unit = lengths(volume)
    metadata = {"axes": "ZYX", "spacing": float(z), "unit": _IMAGEJ_WORDS[unit]}
    return {"imagej": True, "resolution": (1 / x, 1 / y), "metadata": metadata}


def _of_ome(volume: Volume) -> dict[str, Any]:
    sizes, unit = lengths(volume)
    metadata: dict[str, Any] = {"axes": "ZYX"}
    for axis, size in zip("ZYX", sizes, strict=True):
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": unit}
    return {"ome": True, "metadata": metadata}


def _resolution_tags(volume: Volume) -> dict[str, Any]:
    """Give the source's own tags where they say a resolution, per inch or cm.

    So programs that go by them alone, as ITK does, lay the mask on the image.
    """
    path = volume.source.path
    if volume.source.file_format != _NAME or path is None or not path.is_file():
        return {}
    try:
        with tifffile.TiffFile(path) as file:
            tags = file.pages.first.tags
            unit = int(tags.valueof("ResolutionUnit", 1))
            sides = tags.valueof("XResolution"), tags.valueof("YResolution")
    except Exception:  # noqa: BLE001  whatever it is now: no tags to copy
        return {}
    if unit not in _LENGTHS or not all(sides):
        return {}
    return {"resolution": sides, "resolutionunit": unit}
