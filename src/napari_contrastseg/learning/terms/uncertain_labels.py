"""Pseudo-labels where a teacher is certain: by softmax, MC dropout or Self-Loop."""

from __future__ import annotations

import copy
import math
from itertools import permutations
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_contrastseg.learning.losses.segmentation import dice_cross_entropy
from napari_contrastseg.learning.terms.step_loss import StepLoss

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step

Uncertainty = Literal["softmax", "dropout", "self-loop"]
#: Of probabilities, before their logarithm.
LEAST = 1e-6
#: Orders of the four tiles of a puzzle.
ORDERS = tuple(permutations(range(4)))
#: Rate at which a puzzle changes the copy of the teacher's encoder.
PUZZLE_RATE = 1e-3


class UncertainLabels(StepLoss):
    """A teacher's labels of unlabelled slices, where the entropy of its mean is low.

    ``softmax``: of one prediction. ``dropout``: of the mean of several with random
    dropout (Gal and Ghahramani 2016). ``self-loop``: of the mean of several between
    which the encoder is optimised by a puzzle of the same slices (Li et al. 2020,
    "Self-loop uncertainty").

    Parameters
    ----------
    network : UNet
    kind : {"softmax", "dropout", "self-loop"}
    most : float
        Largest entropy, in that of a guess among all classes.
    passes : int
        Predictions in a mean.
    """

    head: nn.Module

    def __init__(
        self, network: UNet, *, kind: Uncertainty, most: float, passes: int
    ) -> None:
        super().__init__(network)
        self.kind, self.most, self.passes = kind, most, passes
        if kind == "self-loop":
            self.head = nn.Linear(network.taps["bottleneck"], len(ORDERS))

    def forward(self, step: Step) -> Tensor:
        """Dice and cross-entropy against certain pseudo-labels."""
        if step.own == len(step.image):
            return step.logits.sum() * 0.0
        rows = slice(step.own, None)
        image = step.plain[rows]
        learns = torch.zeros((), device=image.device)
        if self.kind == "softmax":
            mean = step.taught(image)
        elif self.kind == "dropout":
            mean = _mean(step.taught(image, dropout=True) for _ in range(self.passes))
        else:
            mean = _mean(self._loop(step, image))
            learns = self._puzzle_loss(step, image)
        label = mean.argmax(dim=1)
        sure = (uncertainty(mean) <= self.most) & step.seen[rows]
        weight = step.mixed(sure.float()) * (step.target[rows] < 0)
        return learns + dice_cross_entropy(step.logits[rows], step.mixed(label), weight)

    def _loop(self, step: Step, image: Tensor) -> Iterator[Tensor]:
        """Predict, again and again, while a copy of the teacher solves puzzles."""
        yield step.taught(image)
        network = copy.deepcopy(step.teacher)
        assert network is not None
        weights = list(network.encoder.parameters())
        for weight in weights:
            weight.requires_grad = True
        for _ in range(self.passes - 1):
            loss = _puzzle(network, self.head, image)
            gradients = torch.autograd.grad(loss, weights, allow_unused=True)
            with torch.no_grad():
                for weight, gradient in zip(weights, gradients, strict=True):
                    if gradient is not None:
                        weight.sub_(PUZZLE_RATE * gradient)
                yield network(image).float().softmax(dim=1)

    def _puzzle_loss(self, step: Step, image: Tensor) -> Tensor:
        """Loss by which the puzzle's own layer learns; the teacher stays as it is."""
        assert step.teacher is not None
        return _puzzle(step.teacher, self.head, image)


def uncertainty(mean: Tensor) -> Tensor:
    """Entropy of probabilities (n, classes, h, w), 0 to 1, (n, h, w)."""
    entropy = -(mean * mean.clamp_min(LEAST).log()).sum(dim=1)
    return entropy / math.log(mean.shape[1])


def _mean(predictions: Iterator[Tensor]) -> Tensor:
    return torch.stack([one.detach() for one in predictions]).mean(dim=0)


def _puzzle(network: UNet, head: nn.Module, image: Tensor) -> Tensor:
    """Cross-entropy of the order in which four tiles of each slice were put."""
    which = torch.randint(len(ORDERS), (len(image),), device=image.device)
    shuffled = shuffle(image, which)
    scores = head(network.encode(shuffled)[-1].float().mean(dim=(2, 3)))
    return functional.cross_entropy(scores, which)


def shuffle(image: Tensor, which: Tensor) -> Tensor:
    """Put the four quarters of slices (n, c, h, w) in the order of number `which`."""
    top, bottom = image.chunk(2, dim=2)
    tiles = torch.stack([*top.chunk(2, dim=3), *bottom.chunk(2, dim=3)], dim=1)
    orders = torch.tensor(ORDERS, device=image.device)[which]
    rows = torch.arange(len(image), device=image.device)[:, None]
    a, b, c, d = tiles[rows, orders].unbind(dim=1)
    return torch.cat([torch.cat([a, b], dim=3), torch.cat([c, d], dim=3)], dim=2)
