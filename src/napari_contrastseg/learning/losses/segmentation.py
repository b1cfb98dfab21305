"""Dice and cross-entropy that ignore unlabelled voxels and honour weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from napari_contrastseg.learning.losses.precision import wide


def dice_cross_entropy(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted cross-entropy plus soft Dice over the batch, in equal parts.

    Dice is taken per class over the whole batch (Hu et al. 2021 pool the batch as
    well), over classes that occur in it, background left out unless it is alone.

    Parameters
    ----------
    logits : (n, classes, h, w) float
    target : (n, h, w) int
        -1 unknown, else the class index.
    weight : (n, h, w) float in [0, 1]
        0 where the target is unknown.

    Returns
    -------
    scalar Tensor
        Zero, connected to the graph, where nothing is known.

    Examples
    --------
    >>> logits = torch.zeros(1, 2, 1, 2)
    >>> target = torch.tensor([[[1, -1]]])  # the second pixel is unknown
    >>> loss = dice_cross_entropy(logits, target, torch.ones(1, 1, 2))
    >>> round(loss.item(), 4)  # ln 2 + 1 - (2 x 0.5 + 1) / (1.5 + 1)
    0.8931
    """
    weight = weight * (target >= 0)
    total = weight.sum()
    known = target.clamp_min(0)
    entropy = functional.cross_entropy(wide(logits), known, reduction="none")
    entropy = (entropy * weight).sum() / total.clamp_min(1e-6)
    # weights that were earned in part must also pull in part, whatever the batch
    share = total / (weight > 0).sum().clamp_min(1)
    return share * (entropy + (1 - soft_dice(logits, known, weight)))


def cross_entropy(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted cross-entropy of what is known; shapes as above."""
    weight = weight * (target >= 0)
    entropy = functional.cross_entropy(
        wide(logits), target.clamp_min(0), reduction="none"
    )
    return (entropy * weight).sum() / weight.sum().clamp_min(1e-6)


def dice_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """1 - soft Dice over all classes in the batch, the background too."""
    weight = weight * (target >= 0)
    dice = soft_dice(logits, target.clamp_min(0), weight, background=True)
    return (1 - dice) * (weight.sum() > 0)


def soft_dice(
    logits: Tensor, target: Tensor, weight: Tensor, *, background: bool = False
) -> Tensor:
    """Mean soft Dice of the foreground classes in the batch; shapes as above.

    With `background` it counts as a class; else only where it is alone.
    """
    probability = wide(logits).softmax(dim=1)
    truth = functional.one_hot(target, logits.shape[1]).movedim(-1, 1)
    w = weight.unsqueeze(1)
    dims = (0, 2, 3)
    overlap = (probability * truth * w).sum(dims)
    areas = ((probability + truth) * w).sum(dims)
    present = (truth * w).sum(dims) > 0
    if not background:
        present[0] = ~present[1:].any()
    dice = (2 * overlap + 1) / (areas + 1)
    return (dice * present).sum() / present.sum().clamp_min(1)


@torch.no_grad()
def hard_dice(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Dice of the argmax on the known voxels of a batch, mean over its classes.

    A scalar; not a number where no class occurs.
    """
    guess = logits.argmax(dim=1)
    known = (target >= 0) & (weight > 0)
    both, theirs, areas = [], [], []
    for index in range(1, logits.shape[1]):
        mine, true = (guess == index) & known, (target == index) & known
        both.append((mine & true).sum())
        theirs.append(true.sum())
        areas.append(mine.sum() + true.sum())
    there = torch.stack(theirs) > 0
    dice = 2 * torch.stack(both) / torch.stack(areas).clamp_min(1)
    return (dice * there).sum() / there.sum()
