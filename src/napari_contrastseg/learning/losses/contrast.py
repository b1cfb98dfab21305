"""The one contrastive loss behind all five papers, and its exact linear-memory form.

For anchors A, positives P_i, negatives N_i and s_ij = z_i . z_j / tau::

    L = (1/|A'|) sum_{i in A'} (1/|P_i|) sum_{p in P_i} [LSE(D_ip) - s_ip],
    A' = {i in A : |P_i| > 0}

``denominator="all"``: D_ip are all positives and negatives of i (SimCLR, Chen et al.
2020; SupCon "out", Khosla et al. 2020, eq. 2; Hu et al. 2021). ``"single"``: the one
positive and the negatives (Chaitanya et al. 2020; CSSL; CLCC; IDEAL).
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

Denominator = Literal["all", "single"]
NORM_EPS = 1e-6
#: Entries of one tile of similarities, 16 MB in float32.
TILE = 2**22


def unit(features: Tensor) -> Tensor:
    """Scale rows to length 1, in float32 (float64 stays)."""
    wide = features if features.dtype == torch.float64 else features.float()
    return functional.normalize(wide, dim=-1, eps=NORM_EPS)


def dense_contrast(
    z: Tensor,
    positives: Tensor,
    negatives: Tensor,
    *,
    temperature: float,
    denominator: Denominator = "all",
) -> Tensor:
    """Contrast by explicit pair masks: the short reference, for small n.

    Parameters
    ----------
    z : (n, d) float, unit rows
    positives, negatives : (n, n) bool
        Row i marks P_i and N_i. Rows without positives are no anchors.
    temperature : float
    denominator : {"all", "single"}

    Returns
    -------
    scalar Tensor
        Zero, connected to the graph, when there is no anchor.
    """
    anchors = positives.any(dim=1).nonzero().squeeze(1)
    if not len(anchors):
        return z.sum() * 0.0
    with torch.autocast(z.device.type, enabled=False):
        s = z[anchors] @ z.T / temperature
        pos, neg = positives[anchors], negatives[anchors]
        if denominator == "all":
            lse = s.masked_fill(~(pos | neg), -torch.inf).logsumexp(1, keepdim=True)
        else:
            others = s.masked_fill(~neg, -torch.inf).logsumexp(1, keepdim=True)
            lse = torch.logaddexp(others, s)
        per_pair = torch.where(pos, lse - s, 0.0)
        return (per_pair.sum(1) / pos.sum(1)).mean()


def label_masks(labels: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Pair masks of the same-label rule: positives share the label, the rest oppose.

    Parameters
    ----------
    labels : (n,) int
    anchors : (n,) bool

    Returns
    -------
    positives, negatives : (n, n) bool
    """
    same = labels[:, None] == labels[None, :]
    positives = same & anchors[:, None]
    positives.fill_diagonal_(fill_value=False)
    return positives, ~same & anchors[:, None]


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """NT-Xent over two views of n slices (Chen et al. 2020; Hu et al. 2021, eq. 1).

    Parameters
    ----------
    first, second : (n, d) float
        Row i of both comes from slice i; scaled to length 1 here.
    """
    z = unit(torch.cat([first, second]))
    n = len(first)
    index = torch.arange(2 * n, device=z.device)
    positives = index[:, None] == (index[None, :] + n) % (2 * n)
    negatives = ~positives
    negatives.fill_diagonal_(fill_value=False)
    return dense_contrast(z, positives, negatives, temperature=temperature)


def hu_literal(
    z: Tensor, labels: Tensor, anchors: Tensor, temperature: float
) -> Tensor:
    """Eq. 2 of Hu et al. 2021 as printed: the log is outside the ratio of sums.

    Negatives alone stand below, and 1/|P| stands outside the log, so the value may
    be negative. Kept to compare; recipes use `dense_contrast` by default.

    Parameters
    ----------
    z : (n, d) float, unit rows
    labels : (n,) int
    anchors : (n,) bool
    """
    positives, negatives = label_masks(labels, anchors)
    usable = (positives.any(1) & negatives.any(1)).nonzero().squeeze(1)
    if not len(usable):
        return z.sum() * 0.0
    s = z[usable] @ z.T / temperature
    pos, neg = positives[usable], negatives[usable]
    above = s.masked_fill(~pos, -torch.inf).logsumexp(1)
    below = s.masked_fill(~neg, -torch.inf).logsumexp(1)
    return ((below - above) / pos.sum(1)).mean()


def exact_contrast(
    z: Tensor,
    labels: Tensor,
    anchors: Tensor,
    *,
    temperature: float,
    balanced: bool = False,
) -> Tensor:
    """Supervised contrast over all pairs, in memory linear in n ("all" denominator).

    Equal to `dense_contrast` with `label_masks`, but no n x n matrix is ever held:
    anchors are taken in tiles, the positives' sum comes in closed form from the sum of
    each class (sum_p s_ip = z_i . (S_c - z_i) / tau), and the backward pass computes
    the tiles again.

    Parameters
    ----------
    z : (n, d) float, unit rows
    labels : (n,) int, 0 and above
    anchors : (n,) bool
    temperature : float
    balanced : bool
        Average anchors within each class, then over classes.

    Returns
    -------
    scalar Tensor
        Zero, connected to the graph, when no anchor has a positive.
    """
    sizes = torch.bincount(labels)
    chosen = (anchors & (sizes[labels] > 1)).nonzero().squeeze(1)
    if not len(chosen):
        return z.sum() * 0.0
    if balanced:
        kinds, group, counts = labels[chosen].unique(
            return_inverse=True, return_counts=True
        )
        weights = 1.0 / (counts[group].to(z.dtype) * len(kinds))
    else:
        weights = z.new_full((len(chosen),), 1.0 / len(chosen))
    apply: Any = _ExactContrast.apply
    value: Tensor = apply(z, labels, chosen, weights, temperature)
    return value


class _ExactContrast(torch.autograd.Function):
    """sum_i w_i [LSE_{j != i} s_ij - mean_{p in P_i} s_ip], tile by tile."""

    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        labels: Tensor,
        chosen: Tensor,
        weights: Tensor,
        temperature: float,
    ) -> Tensor:
        classes = int(labels.max()) + 1
        sums = z.new_zeros(classes, z.shape[1]).index_add_(0, labels, z)
        others = (torch.bincount(labels)[labels[chosen]] - 1).to(z.dtype)
        mine = z[chosen]
        closed = (mine * (sums[labels[chosen]] - mine)).sum(1) / others / temperature
        lse = torch.empty_like(weights)
        for part in _tiles(len(chosen), len(z)):
            lse[part] = _similarities(z, chosen[part], temperature).logsumexp(1)
        ctx.save_for_backward(z, labels, chosen, weights, lse, sums, others)
        ctx.temperature = temperature
        return (weights * (lse - closed)).sum()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        z, labels, chosen, weights, lse, sums, others = ctx.saved_tensors
        tau: float = ctx.temperature
        grad = torch.zeros_like(z)
        mine, kinds = z[chosen], labels[chosen]
        for part in _tiles(len(chosen), len(z)):
            share = _similarities(z, chosen[part], tau).sub_(lse[part, None]).exp_()
            share.mul_(weights[part, None])
            grad.index_add_(0, chosen[part], share @ z)
            grad.addmm_(share.T, mine[part])
        pull = (weights / others)[:, None]
        grad.index_add_(0, chosen, -pull * (sums[kinds] - mine))
        attract = torch.zeros_like(sums).index_add_(0, kinds, pull * mine)
        grad.sub_(attract[labels])
        grad.index_add_(0, chosen, pull * mine)
        return grads[0] * grad / tau, None, None, None, None


def _tiles(rows: int, columns: int) -> list[slice]:
    height = max(1, TILE // max(columns, 1))
    return [slice(i, min(i + height, rows)) for i in range(0, rows, height)]


def _similarities(z: Tensor, rows: Tensor, temperature: float) -> Tensor:
    """s_ij for some rows i and all j, with -inf at j = i."""
    s = (z[rows] @ z.T).div_(temperature)
    s[torch.arange(len(rows), device=z.device), rows] = -torch.inf
    return s
