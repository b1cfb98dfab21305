"""Small steps for the tests of terms: batches, networks without norms, spies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_contrastseg.learning.data.augment import Augment
from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms.step import Step

if TYPE_CHECKING:
    import pytest

    from napari_contrastseg.learning.data.view import Augmentation
    from napari_contrastseg.learning.losses.pairs import PairMasks

CLASSES = 3


class Pointwise(nn.Module):
    """A network whose every pixel is on its own: it moves as its image moves."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.spec = NetworkSpec((1, 1))
        self.encoder = nn.Identity()
        self.decoder = nn.ModuleList([nn.Identity()])
        self.classifier = nn.Conv2d(1, classes, 1)
        self.classes = classes
        generator = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=generator)

    def encode(self, x: Tensor) -> list[Tensor]:
        return [x, x]

    def decode(self, pyramid: list[Tensor]) -> list[Tensor]:
        return pyramid[-1:]

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(x)
        return logits


class Constant(nn.Module):
    """A teacher that always says the same."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits[:, None, None].expand(len(x), -1, *x.shape[-2:])


def slices(
    n: int, size: int = 16, *, seed: int = 0, known: bool = True, channels: int = 1
) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(0, CLASSES, (n, size // 4, size // 4), generator=generator)
    target = target.repeat_interleave(4, 1).repeat_interleave(4, 2)
    image = torch.randn(n, channels, size, size, generator=generator)
    image = 0.3 * image + target[:, None]
    return Batch(
        image,
        target if known else torch.full_like(target, -1),
        torch.ones(n, size, size),
        volume=torch.arange(n) // 2,
        position=torch.arange(n).float() / max(n - 1, 1),
    )


def changed(batch: Batch, spec: Augmentation, *, seed: int = 0) -> Batch:
    """Augment a batch, always alike."""
    rows, columns = batch.image.shape[-2:]
    with Randomness(seed).scope():
        return Augment(spec, (rows, columns), (0, 1))(batch)


def a_step(network: Any, *views: Batch, **given: Any) -> Step:
    return Step(network, views, np.random.default_rng(0), **given)


class Spy:
    """Stands in for `contrast` in a module, and keeps the pairs it was given."""

    def __init__(self, patch: pytest.MonkeyPatch, module: Any) -> None:
        self.real = module.contrast
        self.pairs: Any = None
        self.given: dict[str, Any] = {}
        patch.setattr(module, "contrast", self)

    def __call__(self, features: Tensor, pairs: PairMasks, **given: Any) -> Tensor:
        self.features, self.pairs, self.given = features, pairs, given
        value: Tensor = self.real(features, pairs, **given)
        return value
