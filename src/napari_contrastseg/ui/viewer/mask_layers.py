"""Files that hold a mask open as labels; layers named as masks come after images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.lazy_image import LazyImage

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: An image has more grey values than that, and a mask of classes seldom as many.
MOST_VALUES: Final = 16
_LARGEST_CLASS: Final = 255
#: Slices that are looked at first; most images show more values there.
_FIRST: Final = 5
_NAMES: Final = frozenset(
    ("mask", "masks", "label", "labels", "seg", "segmentation", "gt", "annotation")
)


def named_as_mask(name: str) -> bool:
    """Whether a name says that it is a mask's."""
    return not _NAMES.isdisjoint(re.findall("[a-z]+", name.lower()))


def as_labels(
    layer: tuple[Any, dict[str, Any], str],
) -> tuple[Any, dict[str, Any], str]:
    """Make labels of layer data of an image that holds few whole numbers.

    What is read piece by piece stays an image: to know, all of it would be read.
    """
    data, about, kind = layer
    if kind != "image" or about.get("rgb") or isinstance(data, LazyImage):
        return layer
    values = np.asarray(data)
    if not _few_classes(values if values.ndim > 2 else values[None]):  # noqa: PLR2004
        return layer
    return values.astype(np.uint8, copy=False), about, "labels"


def _few_classes(values: NDArray[Any]) -> bool:
    if values.dtype.kind not in "biuf":
        return False
    step = max(1, len(values) // _FIRST)
    found: set[float] = set()
    for planes in (values[::step], values):
        for plane in planes:
            found.update(np.unique(plane).tolist())
            if len(found) > MOST_VALUES:
                return False
    whole = all(0 <= one <= _LARGEST_CLASS and one == int(one) for one in found)
    return whole and 0 in found and len(found) > 1
