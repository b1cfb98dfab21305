"""Cross-image pixel contrast: pixels against a memory of every class's pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_contrastseg.learning.data.targets import UNKNOWN
from napari_contrastseg.learning.losses.contrast import unit
from napari_contrastseg.learning.losses.memory import ClassBank, bank_contrast
from napari_contrastseg.learning.networks.heads import PointwiseHead
from napari_contrastseg.learning.terms.step_loss import StepLoss

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step

#: Regions that are remembered for each pixel that is.
REGIONS = 0.1
#: Pixels of a class that a slice adds to the memory.
PIXELS = 10
#: Part of the positives and negatives that is hard, and how many of these take part.
HARD, POSITIVES, NEGATIVES = 0.1, 1024, 2048


class BankHead(nn.Module):
    """A pixelwise head, and the memory of pixels and regions of every class."""

    def __init__(self, channels: int, classes: int, size: int, dim: int) -> None:
        super().__init__()
        self.project = PointwiseHead(channels, dim)
        self.pixels = ClassBank(classes, size, dim)
        self.regions = ClassBank(classes, max(1, round(REGIONS * size)), dim)

    def content(self) -> tuple[Tensor, Tensor]:
        """All that is remembered, and its classes."""
        found = [bank.content() for bank in (self.pixels, self.regions)]
        rows, kinds = zip(*found, strict=True)
        return torch.cat(rows), torch.cat(kinds)


class CrossImageContrast(StepLoss):
    """Pixels attract remembered ones of their class (Wang et al. 2021).

    Half of the anchors are pixels that are predicted wrongly, as far as there are such.

    Parameters
    ----------
    network : UNet
    temperature : float
    size : int
        Pixels of each class in the memory.
    anchors : int
        Pixels of each class that are compared.
    stride : int
        Every so many rows and columns take part.
    dim : int
        Length of the projected vectors.
    """

    head: BankHead

    def __init__(
        self,
        network: UNet,
        *,
        temperature: float,
        size: int,
        anchors: int = 50,
        stride: int = 4,
        dim: int = 256,
    ) -> None:
        super().__init__(network)
        self.temperature, self.anchors, self.stride = temperature, anchors, stride
        channels = network.taps[network.spec.last_tap]
        self.head = BankHead(channels, network.classes, size, dim)

    def forward(self, step: Step) -> Tensor:
        """Contrast pixels of the labelled slices with the memory; then add to it."""
        own, every = slice(step.own), slice(None, None, self.stride)
        maps = step.map(step.network.spec.last_tap)[own, :, every, every]
        target, weight = (x[own, every, every] for x in (step.target, step.weight))
        labels = target.masked_fill(weight <= 0, UNKNOWN)
        guess = step.logits[own, :, every, every].argmax(dim=1)
        vectors = unit(self.head.project(maps).movedim(1, -1))
        chosen = self._anchors(labels.flatten(), (guess != labels).flatten())
        loss = bank_contrast(
            vectors.flatten(0, 2)[chosen],
            labels.flatten()[chosen],
            *self.head.content(),
            temperature=self.temperature,
            part=HARD,
            most_positives=POSITIVES,
            most_negatives=NEGATIVES,
        )
        self._remember(vectors.detach(), labels)
        return loss

    def _anchors(self, labels: Tensor, wrong: Tensor) -> Tensor:
        """Draw pixels of each class, half of them wrong ones."""
        found = []
        for kind in _known(labels):
            own = labels == kind
            hard, easy = (_drawn(own & mask) for mask in (wrong, ~wrong))
            half = self.anchors // 2
            most_hard = max(half, self.anchors - len(easy))
            hard = hard[:most_hard]
            found += [hard, easy[: self.anchors - len(hard)]]
        return torch.cat(found) if found else labels[:0]

    def _remember(self, vectors: Tensor, labels: Tensor) -> None:
        """Add some pixels of each class, and their mean, of every slice."""
        for maps, own in zip(vectors, labels, strict=True):
            for kind in _known(own):
                pixels = maps[own == kind]
                few = torch.randperm(len(pixels), device=pixels.device)[:PIXELS]
                self.head.pixels.add(kind, pixels[few])
                self.head.regions.add(kind, unit(pixels.mean(dim=0, keepdim=True)))


def _known(labels: Tensor) -> Iterator[int]:
    yield from (kind for kind in labels.unique().tolist() if kind >= 0)


def _drawn(mask: Tensor) -> Tensor:
    """Places where a mask holds, in random order."""
    places = mask.nonzero().squeeze(1)
    return places[torch.randperm(len(places), device=places.device)]
