"""Contrastive loss by explicit pair masks: the reference, for small n and any rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from napari_contrastseg.learning.losses.pairs import HardNegatives, PairMasks


def dense_losses(
    z: Tensor,
    pairs: PairMasks,
    temperature: float,
    *,
    single: bool,
    weights: Tensor | None = None,
    hard: HardNegatives | None = None,
) -> tuple[Tensor, Tensor]:
    """Loss of every anchor, by n x n matrices.

    Parameters
    ----------
    z : (n, d) float, unit rows
    weights : (n,) float, optional
        Of each row as a positive and in the denominators.

    Returns
    -------
    anchors : (a,) int64
        Rows that have positives.
    losses : (a,) float
    """
    anchors = pairs.positives.any(dim=1).nonzero().squeeze(1)
    pos, neg = pairs.positives[anchors], pairs.negatives[anchors]
    s = z[anchors] @ z.T / temperature
    w = torch.ones_like(z[:, 0]) if weights is None else weights.to(z.dtype)
    heavy = s + w.log()
    lower = heavy.masked_fill(~(neg if single else pos | neg), -torch.inf)
    if hard is not None:
        mixed = _mixed_scores(z, anchors, hard) / temperature + w.log()
        lower = torch.cat([lower, mixed.masked_fill(~neg, -torch.inf)], dim=1)
    lse = lower.logsumexp(1, keepdim=True)
    if single:
        lse = torch.logaddexp(lse, s)
    part = torch.where(pos, w, 0.0)
    per_pair = torch.where(pos, lse - s, 0.0)
    return anchors, (per_pair * part).sum(1) / part.sum(1)


def _mixed_scores(z: Tensor, anchors: Tensor, hard: HardNegatives) -> Tensor:
    """z_i . normalize(alpha z_i + (1 - alpha) z_n), the mix a constant; (a, n).

    As printed: alpha + (1 - alpha) z_i . z_n, for z_i has length 1.
    """
    every = slice(None)
    alpha = hard.alpha(every, every)[anchors].to(z.dtype)
    if hard.printed:
        return alpha + (1 - alpha) * (z[anchors] @ z.T)
    alpha = alpha.unsqueeze(2)
    mix = alpha * z[anchors][:, None] + (1 - alpha) * z[None]
    mix = torch.nn.functional.normalize(mix, dim=2).detach()
    return (z[anchors][:, None] * mix).sum(2)


def hu_literal(
    z: Tensor,
    labels: Tensor,
    anchors: Tensor,
    temperature: float,
    images: Tensor | None = None,
) -> Tensor:
    """Eq. 2 and 3 of Hu et al. 2021 as printed: the log is outside the ratio of sums.

    Negatives alone stand below, and 1/|P| stands outside the log, so the value may
    be negative. Kept to compare; recipes use `contrast` by default.

    Parameters
    ----------
    z : (n, d) float, unit rows
    labels : (n,) int
    anchors : (n,) bool
    images : (n,) int, optional
        The image of each row: anchors are averaged within each first (eq. 3), and
        positives and negatives are those of all. None: all anchors alike.
    """
    same = labels[:, None] == labels[None, :]
    negatives = ~same & anchors[:, None]
    positives = same & anchors[:, None]
    positives.fill_diagonal_(fill_value=False)
    usable = (positives.any(1) & negatives.any(1)).nonzero().squeeze(1)
    if not len(usable):
        return z.sum() * 0.0
    s = z[usable] @ z.T / temperature
    pos, neg = positives[usable], negatives[usable]
    above = s.masked_fill(~pos, -torch.inf).logsumexp(1)
    below = s.masked_fill(~neg, -torch.inf).logsumexp(1)
    losses = (below - above) / pos.sum(1)
    if images is None:
        return losses.mean()
    kinds, index = images[usable].unique(return_inverse=True)
    sums = losses.new_zeros(len(kinds)).index_add(0, index, losses)
    per_image: Tensor = sums / index.bincount()
    return per_image.mean()
