"""Feature maps of a network for a batch, whole or in microbatches.

With several parts the features of the whole batch are computed without gradient, the
loss is differentiated with respect to them, and the network's backward pass then runs
part by part (gradient caching, Gao et al. 2021): a contrast over a batch is not the
sum over its halves. Only batch normalisation sees the parts instead of the batch.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_contrastseg.learning.networks.shared_norms import shared_norms
from napari_contrastseg.learning.runtime.device import autocast
from napari_contrastseg.learning.runtime.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_contrastseg.learning.networks.unet import UNet

LOGITS, PEER = "logits", "peer"


class FeatureMaps:
    """Every map of a network for some images, each computed once, when asked for."""

    def __init__(self, network: UNet, image: Tensor) -> None:
        self._network, self._image = network, image

    @cached_property
    def pyramid(self) -> list[Tensor]:
        """Encoder maps from fine to coarse."""
        return self._network.encode(self._image)

    @cached_property
    def _decoded(self) -> list[Tensor]:
        return self._network.decode(self.pyramid)

    def get(self, name: str) -> Tensor:
        """Return ``logits``, ``peer``, ``bottleneck``, ``enc1`` .. or ``dec1`` .. ."""
        if name == LOGITS:
            logits: Tensor = self._network.classifier(self._decoded[-1])
            return logits
        if name == PEER:
            return self._network.peer_logits(self.pyramid)
        if name == "bottleneck":
            return self.pyramid[-1]
        number = int(name[3:]) - 1
        return (self.pyramid if name.startswith("enc") else self._decoded)[number]


class ForwardPass:
    """One network's pass over a batch.

    Parameters
    ----------
    network : UNet
    image : (n, channels, h, w) float
    parts : int
        Microbatches that the network works through; 1: the whole batch at once.
    still : bool
        Leave the running statistics of batch norms as they are: these images are not
        what the network is to predict.
    ranks : Ranks
        Processes that share the batch: each passes its slices on, and has the maps of
        all. In parts, or with fewer slices than ranks, each does all of them.
    """

    def __init__(
        self,
        network: UNet,
        image: Tensor,
        parts: int = 1,
        *,
        still: bool = False,
        ranks: Ranks = ALONE,
    ) -> None:
        self.network, self.image, self._parts = network, image, parts
        self._norms = still_norms if still else nullcontext
        self._share = ranks.share(len(image)) if parts == 1 else None
        own = image if self._share is None else image[self._share.rows]
        self._own = FeatureMaps(network, own)
        self._known: dict[str, Tensor] = {}
        self._random: list[tuple[Tensor, ...]] = []

    def map(self, name: str) -> Tensor:
        """Return one map of the whole batch (see `FeatureMaps.get`)."""
        if name not in self._known:
            with self._norms(self.network):
                self._known[name] = (
                    self._at_once(name) if self._parts == 1 else self._from_parts(name)
                )
        return self._known[name]

    @property
    def pyramid(self) -> list[Tensor]:
        """Encoder maps from fine to coarse."""
        levels = range(1, len(self.network.spec.widths) + 1)
        return [self.map(f"enc{level}") for level in levels]

    def has(self, name: str) -> bool:
        """Whether some term asked for a map."""
        return name in self._known

    def backward(self) -> None:
        """Hand the gradients of the maps on to the parameters, part by part."""
        if self._parts == 1:
            return
        for number, images in enumerate(self._chunks() if self._known else ()):
            random, norms = self._same_randomness(number), self._norms(self.network)
            with random, norms, autocast(images.device):
                maps = FeatureMaps(self.network, images)
                found = [maps.get(name) for name in self._known]
            pairs = [
                (output, leaf.grad.chunk(self._parts)[number])
                for output, leaf in zip(found, self._known.values(), strict=True)
                if leaf.grad is not None and output.requires_grad
            ]
            if pairs:
                torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])

    def _at_once(self, name: str) -> Tensor:
        if self._share is None:
            return self._own.get(name)
        with shared_norms(self.network, self._share):
            return self._share.whole(self._own.get(name))

    # -- microbatches ----------------------------------------------------------

    def _chunks(self) -> Sequence[Tensor]:
        return self.image.chunk(self._parts)

    def _from_parts(self, name: str) -> Tensor:
        """One map of the whole batch, a leaf whose gradient `backward` hands on."""
        found = []
        with torch.no_grad(), still_norms(self.network):
            for number, images in enumerate(self._chunks()):
                with self._same_randomness(number):
                    found.append(FeatureMaps(self.network, images).get(name))
        return torch.cat(found).requires_grad_()

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


@contextmanager
def at_rest(network: nn.Module) -> Iterator[None]:
    """Set a network to evaluation, and restore its mode at the end."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
