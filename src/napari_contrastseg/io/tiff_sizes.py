"""Voxel sizes and names of channels that TIFF files state: ImageJ, OME, plain tags."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import numpy as np

if TYPE_CHECKING:
    import tifffile
    from numpy.typing import NDArray

_UNITS_MM: Final = {
    "mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "millimetre": 1.0,
    "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "micron": 1e-3, "microns": 1e-3,
    "micrometer": 1e-3, "micrometers": 1e-3, "micrometre": 1e-3,
    "nm": 1e-6, "nanometer": 1e-6, "nanometers": 1e-6,
    "cm": 10.0, "centimeter": 10.0, "dm": 100.0, "m": 1e3, "meter": 1e3,
    "inch": 25.4, "in": 25.4, "pm": 1e-9, "Å": 1e-7, "å": 1e-7,
}  # fmt: skip
#: Of the tag ResolutionUnit: inch and centimetre.
_TAGGED_MM: Final = {2: 25.4, 3: 10.0}
#: Dots per inch of screens and printers, which say nothing of what is shown.
_PRINT: Final = (
    72, 75, 90, 96, 100, 120, 144, 150, 180, 200, 240, 254, 300, 350, 360, 400, 500,
    600, 720, 800, 1200, 2400,
)  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """What a file says of its voxels and channels.

    Attributes
    ----------
    spacing : (3,) float
        Of z, y, x, in mm, or in no unit at all; 1 where nothing is said.
    in_plane, between : bool
        Whether the size of a pixel, and the distance of slices, are known in mm.
    names : tuple of str
        Of the channels; empty where nothing is said.
    """

    spacing: NDArray[np.float64]
    in_plane: bool
    between: bool
    names: tuple[str, ...] = ()

    def known(self, slices: int) -> bool:
        """Whether the sizes of an image of so many slices are known."""
        return self.in_plane and (self.between or slices == 1)


def sizes_of(tif: tifffile.TiffFile, number: int) -> Sizes:
    """Look up the voxel size of an image of an open file, by its number.

    Of ImageJ and OME, what they say; without a unit z and x keep their ratio. Else the
    resolution, unless it is one of printers and screens.
    """
    if tif.is_ome and tif.ome_metadata:
        found = _of_ome(tif.ome_metadata, number)
        if found is not None:
            return found
    if tif.is_imagej:
        return _of_imagej(tif)
    return _of_tags(tif.series[number].keyframe)


def _of_imagej(tif: tifffile.TiffFile) -> Sizes:
    about = tif.imagej_metadata or {}
    x, y = _resolution(tif.pages.first)
    z = _positive(about.get("spacing")) or 1.0
    word = str(about.get("unit", "")).replace("\\u00B5", "µ").strip()
    unit = _UNITS_MM.get(word, _UNITS_MM.get(word.lower()))
    sizes = np.array([z, y or 1.0, x or 1.0])
    if unit is None:
        return Sizes(sizes, in_plane=False, between=False)
    known = x is not None and y is not None
    return Sizes(sizes * unit, in_plane=known, between="spacing" in about)


def _of_ome(text: str, number: int) -> Sizes | None:
    """Read PhysicalSize of the image of a number."""
    try:
        root = ET.fromstring(text)
    except ET.ParseError:
        return None
    pixels = [e for e in root.iter() if e.tag.rpartition("}")[2] == "Pixels"]
    if not pixels:
        return None
    mine = pixels[number] if number < len(pixels) else pixels[0]
    sizes, known = [], []
    for axis in "ZYX":
        size = _positive(mine.get(f"PhysicalSize{axis}"))
        unit = _UNITS_MM.get(mine.get(f"PhysicalSize{axis}Unit", "µm"))
        sizes.append((size or 1.0) * (unit or 1.0))
        known.append(size is not None and unit is not None)
    if not all(known[1:]):  # sides in no unit keep their ratio
        sizes = [_positive(mine.get(f"PhysicalSize{a}")) or 1.0 for a in "ZYX"]
    elif not known[0]:
        sizes[0] = sizes[2]
    names = tuple(
        element.get("Name", "")
        for element in mine
        if element.tag.rpartition("}")[2] == "Channel"
    )
    return Sizes(np.array(sizes), all(known[1:]), known[0], names if all(names) else ())


def _of_tags(page: Any) -> Sizes:
    x, y = _resolution(page)
    tag = page.tags.get("ResolutionUnit")
    unit = _TAGGED_MM.get(int(tag.value)) if tag is not None else None
    if x is None or y is None or unit is None or _is_print(x * unit):
        ratio = y / x if x and y else 1.0
        return Sizes(np.array([1.0, ratio, 1.0]), in_plane=False, between=False)
    sizes = np.array([x, y, x]) * unit
    return Sizes(sizes, in_plane=True, between=False)


def _is_print(size: float) -> bool:
    """Whether pixels of a size in mm are those of printers and screens."""
    dots = 25.4 / size
    return (
        any(math.isclose(dots, usual, rel_tol=0.005) for usual in _PRINT) or dots <= 1
    )


def _resolution(page: Any) -> tuple[float | None, float | None]:
    """Width and height of a pixel in the page's unit; None where nothing is said."""
    found: list[float | None] = []
    for name in ("XResolution", "YResolution"):
        tag = page.tags.get(name)
        count, length = tag.value if tag is not None else (0, 0)
        found.append(length / count if count and length else None)
    return found[0], found[1]


def _positive(value: Any) -> float | None:
    try:
        size = abs(float(value))
    except (TypeError, ValueError):
        return None
    return size if math.isfinite(size) and size > 0 else None
