"""Batch of slices with targets, weights and the geometry of its augmentation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Slices of one size.

    Attributes
    ----------
    image : (n, channels, h, w) float
    target : (n, h, w) int64
        -1 unknown, else the class index.
    weight : (n, h, w) float
    grid : (n, h, w, 2) float, optional
        Where each pixel came from when the batch was augmented: coordinates (x, y)
        from -1 to 1 as for `torch.nn.functional.grid_sample`, beyond that for outside.
    plain : (n, channels, h, w) float, optional
        When augmented: the slices moved alike, their intensities as they were, unmixed.
    seen : (n, h, w) bool, optional
        When moved: pixels of `plain` that come from inside the slice.
    box : (n, h, w) bool, optional
        When mixed: pixels that were taken from the slice before.
    source : (n, channels, h, w) float, optional
        When augmented: the slices as they were, where `grid` refers to.
    volume : (n,) int64, optional
    position : (n,) float, optional
        Place in the volume along the slice axis, 0 to 1; no number in a stack.
    """

    image: Tensor
    target: Tensor
    weight: Tensor
    grid: Tensor | None = None
    plain: Tensor | None = None
    seen: Tensor | None = None
    box: Tensor | None = None
    source: Tensor | None = None
    volume: Tensor | None = None
    position: Tensor | None = None


def pasted(values: Tensor, box: Tensor) -> Tensor:
    """Take what lies within `box` (n, h, w) from the slice before, (n, ..., h, w)."""
    shaped = box.reshape(len(box), *[1] * (values.ndim - 3), *box.shape[1:])
    return torch.where(shaped, values.roll(1, dims=0), values)
