"""Contrast of single-class patches and consistency under feature noise: CSSL.

Both parts need the separation of the patches' embeddings, so that they are one term.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_contrastseg.learning.losses.contrast import contrast
from napari_contrastseg.learning.losses.pairs import HardNegatives, SameLabel
from napari_contrastseg.learning.losses.precision import wide
from napari_contrastseg.learning.losses.separation import SEPARATIONS
from napari_contrastseg.learning.terms.pseudo_labels import ClassConfidence
from napari_contrastseg.learning.terms.step_loss import StepLoss

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step

#: Noise that is left where classes are not separated.
LEAST_NOISE = 0.05
#: How slowly the silhouette follows, a step.
MEMORY = 0.9


class PatchHead(nn.Module):
    """Embeds a patch: the bottleneck averaged over 4 x 4 cells, then one linear layer.

    Carries the thresholds of pseudo-labels and the running silhouette.
    """

    def __init__(
        self, channels: int, classes: int, most: float, dim: int = 256
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(channels * 16, dim)
        self.confidence = ClassConfidence(classes, most)
        self.silhouette: Tensor
        self.register_buffer("silhouette", torch.zeros(()))
        self.mean: Tensor
        generator = torch.Generator().manual_seed(0)
        mean = torch.randn(dim, generator=generator)
        self.register_buffer("mean", mean, persistent=False)

    def gaussian(self, count: int) -> Tensor:
        """Draw embeddings of the class that stands in for others, (count, dim)."""
        return self.mean + torch.randn(count, len(self.mean), device=self.mean.device)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) to (n, dim)."""
        pooled = functional.adaptive_avg_pool2d(x, 4).flatten(1)
        projected: Tensor = self.linear(pooled)
        return projected


class ClassPatches(StepLoss):
    """L_CL + L_CR of CSSL, unweighted; or one of them.

    Parameters
    ----------
    network : UNet
    size : int
        Side of a patch; smaller where slices are.
    least : int
        Pixels of its class that a patch needs.
    budget : int
        Patches in a batch, equal for each class.
    most : float
        Highest confidence that a pseudo-label needs.
    hard : float
        Largest mixing weight of hard negatives; 0: none, as in the released code.
    temperature : float
    noise : float
        Standard deviation of the feature noise, as part of each channel's own, where
        classes are wholly separated.
    printed_mix : bool
        Hard negatives keep their length, and gradients pass through them.
    background : bool
        Whether patches of background are a class of their own. Without, and where there
        is one class alone, a fixed Gaussian stands in for others (section 3).
    contrasts, agrees : bool
        Whether there is L_CL; whether there is L_CR.
    separation : str
        How the separation of classes is found that the noise follows; see
        `SEPARATIONS`.
    """

    head: PatchHead

    def __init__(  # noqa: PLR0913  one keyword an option
        self,
        network: UNet,
        *,
        size: int = 64,
        least: int = 25,
        budget: int = 64,
        most: float = 0.9,
        hard: float = 0.4,
        temperature: float = 0.1,
        noise: float = 0.3,
        printed_mix: bool = False,
        background: bool = True,
        contrasts: bool = True,
        agrees: bool = True,
        separation: str = "silhouette",
    ) -> None:
        super().__init__(network)
        self.printed_mix, self.background = printed_mix, background
        self.contrasts, self.agrees = contrasts, agrees
        self.separation = separation
        self.size, self.least, self.budget = size, least, budget
        self.hard, self.temperature, self.noise = hard, temperature, noise
        self.head = PatchHead(network.taps["bottleneck"], network.classes, most)

    def forward(self, step: Step) -> Tensor:
        """Contrast the patches of a step, and make predictions withstand noise."""
        label, sure = self._labels(step)
        total = step.image.sum() * 0.0
        if self.contrasts:
            total = total + self._contrast(step, label.where(sure, -1))
        return total + self._consistency(step, label) if self.agrees else total

    def _labels(self, step: Step) -> tuple[Tensor, Tensor]:
        """Truth where it is, else the teacher's label and whether it is confident."""
        confidence, guess = step.taught(step.plain).max(dim=1)
        known, seen = step.target >= 0, step.inside
        self.head.confidence.update(confidence, guess, ~known & seen)
        sure = confidence >= self.head.confidence.thresholds()[guess]
        label = torch.where(known, step.target, guess)
        return label, (known | sure) & seen

    def _contrast(self, step: Step, label: Tensor) -> Tensor:
        image, classes = self._patches(step, label)
        alone = not self.background and step.network.classes == 2  # noqa: PLR2004
        if not len(image) or (len(classes.unique()) < 2 and not alone):  # noqa: PLR2004
            return step.image.sum() * 0.0
        maps = step.through(step.network, image).map("bottleneck")
        features = self.head(maps)
        anchors = None
        if alone:
            others = self.head.gaussian(len(features)).to(features.dtype)
            anchors = torch.arange(2 * len(features), device=features.device)
            anchors = anchors < len(features)
            features = torch.cat([features, others])
            classes = torch.cat([classes, torch.zeros_like(classes)])
        self._follow(features.detach(), classes)
        hard = None
        if self.hard:
            draws = torch.rand(2, len(features), device=features.device)
            hard = HardNegatives(draws[0], draws[1], self.hard, self.printed_mix)
        return contrast(
            features,
            SameLabel(classes, anchors, hard=hard),
            temperature=self.temperature,
            denominator="single",
        )

    def _patches(self, step: Step, label: Tensor) -> tuple[Tensor, Tensor]:
        """Cut windows around random pixels of each class; other classes become 0."""
        divisor = step.network.divisor
        sides = [
            max(divisor, min(self.size, k // divisor * divisor))
            for k in label.shape[1:]
        ]
        kinds = range(0 if self.background else 1, step.network.classes)
        each = self.budget // len(kinds)
        images, classes = [], []
        for index in kinds:
            places = (label == index).nonzero()
            picks = torch.randint(max(len(places), 1), (each,), device=label.device)
            for n, row, column in places[picks].tolist() if len(places) else ():
                top, left = (
                    min(max(at - side // 2, 0), whole - side)
                    for at, side, whole in zip(
                        (row, column), sides, label.shape[1:], strict=True
                    )
                )
                window = (n, slice(top, top + sides[0]), slice(left, left + sides[1]))
                mine = label[window] == index
                if int(mine.sum()) >= self.least:
                    images.append(step.image[n, :, window[1], window[2]] * mine)
                    classes.append(index)
        if not images:
            return step.image[:0], label.new_zeros(0)
        return torch.stack(images), torch.tensor(classes, device=label.device)

    @torch.no_grad()
    def _follow(self, features: Tensor, classes: Tensor) -> None:
        found = SEPARATIONS[self.separation](features, classes)
        self.head.silhouette.lerp_(found, 1 - MEMORY)

    def _consistency(self, step: Step, label: Tensor) -> Tensor:
        """Cross-entropy of the logits decoded from noisy maps against the label."""
        severity = ((self.head.silhouette + 1) / 2).clamp(0, 1) + LEAST_NOISE
        strength = self.noise * severity.sqrt()
        noisy = [x + torch.randn_like(x) * strength * _size(x) for x in step.pyramid]
        network = step.network
        logits = network.classifier(network.decode(noisy)[-1])
        entropy = functional.cross_entropy(wide(logits), label, reduction="none")
        seen = step.inside
        return (entropy * seen).sum() / seen.sum().clamp_min(1)


def _size(x: Tensor) -> Tensor:
    """Root mean square of every channel, (1, c, 1, 1), as a constant."""
    return x.detach().square().mean(dim=(0, 2, 3), keepdim=True).sqrt()
