"""Padding of images to the sizes that a network accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

#: Rows and columns added: top, bottom, left, right.
Margins = tuple[int, int, int, int]


def margins(shape: tuple[int, int], size: tuple[int, int]) -> Margins:
    """Share what is missing between both sides."""
    rows, columns = (m - n for m, n in zip(size, shape, strict=True))
    return rows // 2, rows - rows // 2, columns // 2, columns - columns // 2


def pad_image(images: Tensor, around: Margins) -> Tensor:
    """Continue images by reflection, (n, channels, h, w).

    Normalisation layers see the statistics of the whole map: dark margins would
    change them, and differently in training and in use.
    """
    top, bottom, left, right = around
    if not any(around):
        return images
    height, width = images.shape[-2:]
    fits = max(top, bottom) < height and max(left, right) < width
    return functional.pad(
        images, (left, right, top, bottom), mode="reflect" if fits else "replicate"
    )


def to_multiple(images: Tensor, divisor: int) -> tuple[Margins, Tensor]:
    """Pad rows and columns to multiples of `divisor`.

    Returns
    -------
    Margins, padded images
    """
    height, width = images.shape[-2:]
    size = (height + -height % divisor, width + -width % divisor)
    around = margins((height, width), size)
    return around, pad_image(images, around)


def cut(maps: Tensor, around: Margins) -> Tensor:
    """Take padding away again."""
    top, bottom, left, right = around
    height, width = maps.shape[-2:]
    return maps[..., top : height - bottom, left : width - right]


def reversed_through(images: Tensor, around: int) -> Tensor:
    """Let neighbours change sides; (n, around x channels, h, w)."""
    turned: Tensor = images.unflatten(1, (around, -1)).flip(1).flatten(1, 2)
    return turned
