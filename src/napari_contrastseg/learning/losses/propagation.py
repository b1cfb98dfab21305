"""Pixel propagation: pixels smoothed by those like them agree across views (PixPro)."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_contrastseg.learning.losses.contrast import unit


def propagated(features: Tensor, transformed: Tensor, sharpness: float) -> Tensor:
    """Smooth pixels by those that are like them (Xie et al. 2021).

    ::

        y_i = sum over j of max(cos(x_i, x_j), 0)^gamma g(x_j)

    Parameters
    ----------
    features : (n, pixels, d) float
        x, of n slices.
    transformed : (n, pixels, d) float
        g(x).
    sharpness : float
        gamma.
    """
    z = unit(features)
    alike = (z @ z.transpose(1, 2)).clamp_min(0) ** sharpness
    return alike @ transformed.to(alike.dtype)


def agreement(smoothed: Tensor, keys: Tensor, matches: Tensor) -> Tensor:
    """Negative cosine of pixels that show one place (Xie et al. 2021), one way.

    Parameters
    ----------
    smoothed, keys : (n, pixels, d) float
    matches : (n, pixels, pixels) bool
        Pixel of the first that shows the same place as one of the second.

    Returns
    -------
    scalar Tensor
        Mean over the pairs of each slice, then over the slices that have any; zero,
        connected to the graph, without.
    """
    cosine = unit(smoothed) @ unit(keys).transpose(1, 2)
    count = matches.sum(dim=(1, 2))
    means = (cosine * matches).sum(dim=(1, 2)) / count.clamp_min(1)
    return -means.sum() / (count > 0).sum().clamp_min(1)


def matched(
    first: Tensor, second: Tensor, cell: tuple[float, float], most: float
) -> Tensor:
    """Find pixels of two views that show one place (Xie et al. 2021).

    Parameters
    ----------
    first, second : (n, pixels, 2) float
        Where each pixel came from in its slice, -1 to 1; beyond that for outside.
    cell : tuple of float
        Sides of a pixel in the same measure.
    most : float
        Largest distance, in diagonals of a pixel.

    Returns
    -------
    (n, pixels, pixels) bool
    """
    sides = torch.tensor(cell, device=first.device, dtype=first.dtype)
    distance = torch.cdist(first / sides, second / sides)
    inside = [(place.abs() <= 1).all(dim=-1) for place in (first, second)]
    near = distance <= most * 2**0.5
    return near & inside[0][:, :, None] & inside[1][:, None]
