"""Positive and negative pairs of a contrastive loss: by label, or by masks.

A *same-label rule* is put in order once, so that everything a tile needs to know about
its pairs is a range of columns::

    segment 0                                        segment 1          dropped
    | class 1 | class 2 | ... || background | ... |  | class 1 | ... |  | unknown |
      anchored classes first      no anchors here

No step of it waits for the device: ranges come from sorting and searching, never from
counts that a host would have to read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Bits of a sort key: segment, then "has no anchors", then label.
_SEGMENT, _WITHOUT = 32, 31
_DROPPED = 2**62
#: Rows that weigh less are dropped: their share is below rounding.
LEAST_WEIGHT = 1e-3


@dataclass(frozen=True, eq=False)
class HardNegatives:
    """One mixed negative for every real one (CSSL).

    The mix of anchor i and negative n is normalize(alpha z_i + (1 - alpha) z_n), seen
    as a constant; as `printed` it keeps its length and gradients pass through it. alpha
    is uniform in [0, most), drawn per pair from two numbers a row:
    alpha_in = most * frac(rows_i + columns_n), so that any tile can be made again.

    Attributes
    ----------
    rows, columns : (n,) float in [0, 1)
    most : float
    printed : bool
    """

    rows: Tensor
    columns: Tensor
    most: float = 0.4
    printed: bool = False

    def alpha(self, rows: slice, columns: slice) -> Tensor:
        """Mixing weights of a tile of pairs."""
        return self.most * (self.rows[rows, None] + self.columns[columns]).frac()

    def taken(self, order: Tensor) -> HardNegatives:
        """Return the same draws for rows in another order."""
        return replace(self, rows=self.rows[order], columns=self.columns[order])


@dataclass(frozen=True, eq=False)
class SameLabel:
    """Positives share the label, all others are negatives.

    Attributes
    ----------
    labels : (n,) int
        0 and above, below 2**31; a negative label drops the row.
    anchors : (n,) bool, optional
        Rows whose loss counts; all by default. Others still stand in denominators.
    weights : (n,) float, optional
        How much of a feature a row is, for instance a pseudo-label's confidence: as
        anchor, as positive and in the denominator. A row below `LEAST_WEIGHT` is
        dropped.
    segments : (n,) int, optional
        0 and above, below 2**30. Rows of different segments never meet; the loss is
        the mean over segments that have anchors (Hu et al. 2021: one loss a block).
    balanced : bool
        Average anchors within each class, then over classes.
    hard : HardNegatives, optional
    """

    labels: Tensor
    anchors: Tensor | None = None
    weights: Tensor | None = None
    segments: Tensor | None = None
    balanced: bool = False
    hard: HardNegatives | None = None


@dataclass(frozen=True, eq=False)
class PairMasks:
    """Any other rule, as masks; for small n.

    Attributes
    ----------
    positives, negatives : (n, n) bool
        Row i marks P_i and N_i. Rows without positives are no anchors.
    """

    positives: Tensor
    negatives: Tensor


@dataclass(frozen=True, eq=False)
class Arranged:
    """Rows of a same-label rule in the order of the picture above.

    Attributes
    ----------
    order : (n,) int64
        Row of the features that stands at each place.
    ranges : (5, n) int32
        Of each row: start and stop of its segment, start and stop of its class, and
        where the anchored classes of its segment end. Empty for dropped rows.
    weights : (n,) float
        0 for dropped rows.
    shares : (n,) float
        Part of each anchor in the mean; 0 where there is no anchor.
    others : (n,) float
        Weight of the anchor's positives; 1 where there is no anchor.
    hard : HardNegatives or None
    """

    order: Tensor
    ranges: Tensor
    weights: Tensor
    shares: Tensor
    others: Tensor
    hard: HardNegatives | None


def arrange(rule: SameLabel, dtype: torch.dtype) -> Arranged:
    """Put the rows of a same-label rule in order."""
    labels = rule.labels.long()
    weights = _weights(rule, dtype)
    dropped = (labels < 0) | (weights < LEAST_WEIGHT)
    anchors = torch.ones_like(dropped) if rule.anchors is None else rule.anchors
    segments = torch.zeros_like(labels) if rule.segments is None else rule.segments
    key = (segments.long() << _SEGMENT) + labels
    key = torch.where(dropped, _DROPPED, key)

    first = key.argsort(stable=True)
    start, stop = _span(key[first])
    able = anchors[first] & (stop - start > 1) & ~dropped[first]
    without = torch.zeros_like(weights).index_add_(0, start, able.to(dtype))[start] == 0
    sorted_key = key[first]
    moved = sorted_key + (without.long() << _WITHOUT)
    second = torch.where(sorted_key == _DROPPED, _DROPPED, moved).argsort(stable=True)
    order = first[second]
    able, gone = able[second], dropped[order]
    key = torch.where(gone, _DROPPED, moved[second])

    segment = key >> _SEGMENT
    ends = torch.searchsorted(key, (segment << _SEGMENT) + (1 << _WITHOUT))
    ranges = torch.stack([*_span(segment), *_span(key), ends])
    ranges = ranges.masked_fill(gone, 0)
    weights = torch.where(gone, 0.0, weights[order])
    start = _span(key)[0]
    others = torch.where(able, summed(weights, start) - weights, 1.0).to(dtype)
    shares = _shares(able, weights, ranges, start, balanced=rule.balanced)
    hard = rule.hard.taken(order) if rule.hard is not None else None
    return Arranged(order, ranges.int(), weights, shares, others, hard)


def _weights(rule: SameLabel, dtype: torch.dtype) -> Tensor:
    if rule.weights is None:
        return torch.ones(len(rule.labels), dtype=dtype, device=rule.labels.device)
    return rule.weights.to(dtype)


def _span(key: Tensor) -> tuple[Tensor, Tensor]:
    """First place and end of the run of equal keys around each place."""
    return torch.searchsorted(key, key), torch.searchsorted(key, key, right=True)


def _shares(
    able: Tensor,
    weights: Tensor,
    ranges: Tensor,
    classes: Tensor,
    *,
    balanced: bool,
) -> Tensor:
    """Part of each anchor in the mean: over anchors, classes if asked, segments."""
    part = torch.where(able, weights, 0.0)
    for group in [classes, ranges[0]] if balanced else [ranges[0]]:
        part = part / torch.where(able, summed(part, group), 1.0)
    # each segment sums to one now
    return (part / part.sum().clamp_min(1.0)).to(weights.dtype)


def summed(values: Tensor, group: Tensor) -> Tensor:
    """Sum of the rows of each row's group, in float64: groups are large.

    Parameters
    ----------
    values : (n,) or (n, d) float
    group : (n,) int64
        Number of a row of each group.
    """
    if values.device.type != "mps":  # which has no float64
        values = values.double()
    total = torch.zeros_like(values).index_add_(0, group, values)
    return total.index_select(0, group)


def same_label_masks(rule: SameLabel) -> PairMasks:
    """Write a same-label rule out as masks, (n, n) bool."""
    labels = rule.labels
    there = labels >= 0
    if rule.weights is not None:
        there = there & (rule.weights >= LEAST_WEIGHT)
    meets = there[:, None] & there[None, :]
    if rule.segments is not None:
        meets &= rule.segments[:, None] == rule.segments[None, :]
    if rule.anchors is not None:
        meets &= rule.anchors[:, None]
    same = labels[:, None] == labels[None, :]
    positives = same & meets
    positives.fill_diagonal_(fill_value=False)
    return PairMasks(positives, ~same & meets)


def spans_of(ranges: Tensor) -> Sequence[tuple[int, int, int, int, int]]:
    """Ranges of each class that has anchors, one a class; waits for the device."""
    firsts = (ranges[1] > ranges[0]) & (ranges[2] < ranges[4])
    places = torch.arange(ranges.shape[1], device=ranges.device)
    heads = ranges[:, firsts & (ranges[2] == places)]
    return [tuple(column) for column in heads.T.tolist()]
