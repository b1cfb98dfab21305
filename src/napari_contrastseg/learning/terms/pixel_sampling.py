"""Sampling of pixels for a local contrast: blocks, class limits, fewer background.

Nothing here depends on a count that the host would have to wait for: what is not drawn
becomes unknown and stays where it is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napari_contrastseg.learning.data.targets import UNKNOWN

#: Class indices are below this.
_CLASSES = 256


def blocks(shape: tuple[int, int, int], size: int, device: torch.device) -> Tensor:
    """Give the number of the block that each pixel lies in, across slices.

    Parameters
    ----------
    shape : (n, h, w)
    size : int
        Side of a block; the last ones may be smaller.

    Returns
    -------
    (n, h, w) int64, from 0 in rows
    """
    _, h, w = shape
    rows, columns = (torch.arange(k, device=device) // size for k in (h, w))
    return (rows[:, None] * -(-w // size) + columns).expand(shape)


def subsample(
    labels: Tensor, segments: Tensor, *, limit: int, ratio: float | None
) -> Tensor:
    """Make pixels unknown that are too many; which ones, torch's generator draws.

    Parameters
    ----------
    labels : (n,) int64
        -1 unknown, 0 background, else a class index.
    segments : (n,) int64
        Pixels of different segments do not meet.
    limit : int
        Most foreground pixels of a segment; its classes share them evenly, and what a
        small class leaves over goes unused. 0: no limit.
    ratio : float or None
        Most background pixels for each foreground pixel that is left. None keeps all.
    """
    if not limit and ratio is None:
        return labels
    group = segments * _CLASSES + labels.clamp_min(0)
    group = torch.where(labels < 0, -1, group)
    rank = _ranks(group)
    if limit:
        first = (rank == 0) & (labels > 0)
        each = limit // _sums(first, segments).clamp_min(1)
        labels = labels.masked_fill((labels > 0) & (rank >= each), UNKNOWN)
    if ratio is not None:
        most = (ratio * _sums(labels > 0, segments)).floor()
        labels = labels.masked_fill((labels == 0) & (rank >= most), UNKNOWN)
    return labels


def _ranks(group: Tensor) -> Tensor:
    """Place of each element among those of its group, in random order."""
    mixed = torch.randperm(len(group), device=group.device)
    order = mixed[group[mixed].argsort(stable=True)]
    ordered = group[order]
    places = torch.arange(len(group), device=group.device)
    return torch.empty_like(places).scatter_(
        0, order, places - torch.searchsorted(ordered, ordered)
    )


def _sums(mask: Tensor, segments: Tensor) -> Tensor:
    """How many of a segment are marked, for each of its elements."""
    segments = segments.contiguous()  # else torch warns
    order = segments.argsort(stable=True)
    ordered = segments[order]
    total = mask[order].cumsum(0)
    total = torch.cat([total.new_zeros(1), total])
    start = torch.searchsorted(ordered, segments)
    stop = torch.searchsorted(ordered, segments, right=True)
    return total[stop] - total[start]
