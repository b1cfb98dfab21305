"""One training step: views, maps and logits, whole or in microbatches.

With several parts the features of the whole batch are computed without gradient, the
loss is differentiated with respect to them, and the network's backward pass then runs
part by part (gradient caching, Gao et al. 2021): a contrast over a batch is not the
sum over its halves. Only batch normalisation sees the parts instead of the batch.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_contrastseg.learning.device import autocast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from napari_contrastseg.learning.slices import Batch
    from napari_contrastseg.learning.unet import UNet

_LOGITS = "logits"


class Step:
    """What a term sees of one step: each map is computed once.

    Parameters
    ----------
    parts : int
        Microbatches that the network works through; 1: the whole batch at once.

    Attributes
    ----------
    image : (copies x n, channels, h, w) float
        The views stand one after the other.
    target, weight : (copies x n, h, w)
    grid : (copies x n, h, w, 2) or None
        Where each pixel came from in its slice (see `Batch`); None: from its own place.
    rng : numpy Generator
    """

    def __init__(
        self,
        network: UNet,
        views: Sequence[Batch],
        rng: np.random.Generator,
        parts: int = 1,
    ) -> None:
        self._network = network
        self.image = torch.cat([view.image for view in views])
        self.target = torch.cat([view.target for view in views])
        self.weight = torch.cat([view.weight for view in views])
        grids = [view.grid for view in views if view.grid is not None]
        self.grid = torch.cat(grids) if len(grids) == len(views) else None
        self.rng = rng
        self._parts = parts
        self._cached: dict[str, Tensor] = {}
        self._random: list[tuple[Tensor, ...]] = []

    @cached_property
    def _pyramid(self) -> list[Tensor]:
        return self._network.encode(self.image)

    @cached_property
    def _maps(self) -> list[Tensor]:
        return self._network.decode(self._pyramid)

    @cached_property
    def logits(self) -> Tensor:
        """Class logits, (copies x n, classes, h, w)."""
        if self._parts > 1:
            return self._from_parts(_LOGITS)
        logits: Tensor = self._network.classifier(self._maps[-1])
        return logits

    @property
    def has_logits(self) -> bool:
        """Whether some term asked for the logits."""
        return "logits" in self.__dict__

    def map(self, tap: str) -> Tensor:
        """Return the network's map called `tap`."""
        if self._parts > 1:
            return self._from_parts(tap)
        if tap == "bottleneck":
            return self._pyramid[-1]
        return self._maps[int(tap.removeprefix("dec")) - 1]

    def backward(self, loss: Tensor) -> None:
        """Add the loss's gradients to the parameters'."""
        if loss.requires_grad:
            loss.backward()
        for number, images in enumerate(self._chunks() if self._cached else ()):
            with self._same_randomness(number), autocast(images.device):
                found = self._forward(images, tuple(self._cached))
            pairs = [
                (output, leaf.grad.chunk(self._parts)[number])
                for output, leaf in zip(found, self._cached.values(), strict=True)
                if leaf.grad is not None and output.requires_grad
            ]
            if pairs:
                torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])

    # -- microbatches ----------------------------------------------------------

    def _chunks(self) -> tuple[Tensor, ...]:
        return self.image.chunk(self._parts)

    def _from_parts(self, name: str) -> Tensor:
        """One map of the whole batch, a leaf whose gradient `backward` hands on."""
        if name not in self._cached:
            found = []
            with torch.no_grad(), still_norms(self._network):
                for number, images in enumerate(self._chunks()):
                    with self._same_randomness(number):
                        found.append(self._forward(images, (name,))[0])
            self._cached[name] = torch.cat(found).requires_grad_()
        return self._cached[name]

    def _forward(self, images: Tensor, names: Sequence[str]) -> list[Tensor]:
        network = self._network
        pyramid = network.encode(images)
        levels = [n for n in names if n != "bottleneck"]
        maps = network.decode(pyramid) if levels else []
        found = []
        for name in names:
            if name == "bottleneck":
                found.append(pyramid[-1])
            elif name == _LOGITS:
                found.append(network.classifier(maps[-1]))
            else:
                found.append(maps[int(name.removeprefix("dec")) - 1])
        return found

    @contextmanager
    def _same_randomness(self, number: int) -> Iterator[None]:
        """Let a part draw the same numbers (dropout) whenever it is worked through."""
        if number >= len(self._random):
            self._random.append(self._generators())
            yield
            return
        now = self._generators()
        self._set_generators(self._random[number])
        yield
        self._set_generators(now)

    def _generators(self) -> tuple[Tensor, ...]:
        device = self.image.device
        cuda = (torch.cuda.get_rng_state(device),) if device.type == "cuda" else ()
        return (torch.get_rng_state(), *cuda)

    def _set_generators(self, states: tuple[Tensor, ...]) -> None:
        torch.set_rng_state(states[0])
        if states[1:]:
            torch.cuda.set_rng_state(states[1], self.image.device)


@contextmanager
def still_norms(network: nn.Module) -> Iterator[None]:
    """Keep the running statistics of batch norms as they are."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
