"""Data augmentation by kornia: one geometry for image, labels and weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kornia.augmentation as k
import torch
from torch import Tensor
from torch.nn import functional

from napari_contrastseg.learning.data.batch import Batch, pasted
from napari_contrastseg.learning.data.input_spec import SLICE_AXIS_FLIP
from napari_contrastseg.learning.data.padding import reversed_through
from napari_contrastseg.learning.data.targets import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from napari_contrastseg.learning.data.view import Augmentation

#: Bounds of the elastic field's Gaussian, pixels.
MIN_SIGMA, MAX_SIGMA = 3.0, 10.0
#: Share of a pixel that must come from inside; the coordinate of those that do not.
WHOLE, OUTSIDE = 0.999, 2.0


class Augment:
    """Augments batches by a specification; draws from torch's global generator.

    Call it inside `Randomness.scope`. Kornia moves a grid of coordinates, and image,
    truth and weight are then each read once at these places: one interpolation, one
    geometry, and a record of where every pixel came from. What comes from outside the
    slice is dark in the image and unknown in the truth.

    Parameters
    ----------
    spec : Augmentation
    size : (rows, columns)
        Of the batches, to scale the elastic field.
    mirror : sequence of int
        In-plane axes that may be mirrored; 2: neighbours may change sides.
    device : torch.device, optional
        Of the batches; random numbers are drawn there.
    around : int
        Slices that stand in an image, one after the other: one and its neighbours.
    labelled : int
        Labelled slices that there are.
    """

    def __init__(
        self,
        spec: Augmentation,
        size: tuple[int, int],
        mirror: Sequence[int],
        device: torch.device | None = None,
        around: int = 1,
        labelled: int = 0,
    ) -> None:
        self._spec, self._around, self._alone = spec, around, 0.0
        if spec.alone and around > 1:
            self._alone = min(spec.alone / (spec.alone + labelled), 0.5)
        self._reverses = spec.mirror and SLICE_AXIS_FLIP in mirror and around > 1
        geometry = _geometry(
            spec, size, [axis for axis in mirror if axis != SLICE_AXIS_FLIP]
        )
        intensity = _intensity(spec)
        self._geometry = _chain(geometry).to(device) if geometry else None
        self._intensity = _chain(intensity).to(device) if intensity else None

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Batch:
        """Augment every slice of a batch on its own."""
        image, target, weight = batch.image, batch.target, batch.weight
        if self._reverses:
            turned = reversed_through(image, self._around)
            chosen = torch.rand(len(image), 1, 1, 1, device=image.device) < 0.5  # noqa: PLR2004
            image = torch.where(chosen, turned, image)
        if self._alone:
            image = _alone(image, self._around, self._alone)
        grid = seen = box = None
        if self._geometry is not None or self._spec.turns:
            grid = _moved(self._geometry, image)
            if self._spec.turns:
                grid = _turned(grid)
            seen = grid[..., 0].abs() <= 1
            image = _read(image, grid, "bilinear")
            # zeros from outside must not become background: shift truth by one
            known = torch.stack([target.to(weight.dtype) + 1, weight], dim=1)
            known = _read(known, grid, "nearest")
            target, weight = known[:, 0].round().long() - 1, known[:, 1]
        plain = image
        if self._intensity is not None:
            image = self._intensity(image)
        if self._spec.added:
            image = _added(image, self._spec)
        if self._spec.noise:
            image = _noise(image, self._spec)
        if self._spec.cut_mix and len(image) > 1:
            box = _boxes(image, self._spec.cut_mix)
            image, target, weight = (pasted(x, box) for x in (image, target, weight))
            if grid is not None:  # these places are of another slice
                grid = torch.where(box[..., None], OUTSIDE, grid)
        return Batch(
            image,
            target,
            weight,
            grid,
            plain,
            seen,
            box,
            batch.image,
            batch.volume,
            batch.position,
        )


def _moved(geometry: nn.Module | None, image: Tensor) -> Tensor:
    """Where each pixel comes from, (n, h, w, 2) as for `grid_sample`."""
    n, _, h, w = image.shape
    rows, columns = (torch.linspace(-1, 1, k, device=image.device) for k in (h, w))
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    places = torch.stack([x, y, torch.ones_like(x)]).expand(n, -1, -1, -1)
    moved = places if geometry is None else geometry(places)
    inside = moved[:, 2:] > WHOLE
    return torch.where(inside, moved[:, :2], OUTSIDE).movedim(1, -1)


def _turned(grid: Tensor) -> Tensor:
    """Turn each slice's places by a random multiple of 90 degrees, (n, h, w, 2)."""
    square = grid.shape[1] == grid.shape[2]
    quarters = torch.randint(4 if square else 2, (len(grid),)).tolist()
    step = 1 if square else 2
    turned = [
        one.rot90(step * k, (0, 1)) for one, k in zip(grid, quarters, strict=True)
    ]
    return torch.stack(turned)


def source_pixels(grid: Tensor) -> Tensor:
    """Give the number of the pixel that each pixel of a batch came from.

    Pixels of two views with the same number show the same place.

    Parameters
    ----------
    grid : (n, h, w, 2) float
        A batch's `grid`.

    Returns
    -------
    (n, h, w) int64
        Counted through the batch; -1 where a pixel comes from outside its slice.
    """
    n, h, w, _ = grid.shape
    x = ((grid[..., 0] + 1) / 2 * (w - 1)).round().long()
    y = ((grid[..., 1] + 1) / 2 * (h - 1)).round().long()
    slices = torch.arange(n, device=grid.device)[:, None, None]
    return torch.where(grid[..., 0] <= 1, (slices * h + y) * w + x, UNKNOWN)


def _read(image: Tensor, grid: Tensor, mode: str) -> Tensor:
    return functional.grid_sample(image, grid, mode=mode, align_corners=True)


def _chain(changes: list[nn.Module]) -> nn.Module:
    parts: list[Any] = list(changes)
    return k.AugmentationSequential(*parts, data_keys=["input"])


def _geometry(
    spec: Augmentation, size: tuple[int, int], mirror: Sequence[int]
) -> list[nn.Module]:
    changes: list[nn.Module] = []
    if spec.mirror:
        flips = {0: k.RandomVerticalFlip, 1: k.RandomHorizontalFlip}
        changes += [flips[axis](p=0.5) for axis in mirror]
    if spec.rotation or spec.scale or spec.shift:
        shift = (spec.shift, spec.shift) if spec.shift else None
        changes.append(
            k.RandomAffine(
                spec.rotation,
                shift,
                spec.scale,
                align_corners=True,
                p=max(spec.chance, 0.8),
            )
        )
    if spec.elastic:
        sigma = min(max(min(size) / 10, MIN_SIGMA), MAX_SIGMA)
        kernel = 2 * round(2.5 * sigma) + 1
        # uniform noise blurred by a Gaussian of sigma keeps about 1 / (6 sigma) of it
        alpha = spec.elastic * 2 * 6 * sigma
        changes.append(
            k.RandomElasticTransform(
                (kernel, kernel),
                (sigma, sigma),
                (alpha, alpha),
                align_corners=True,
                p=spec.chance,
            )
        )
    return changes


def _intensity(spec: Augmentation) -> list[nn.Module]:
    changes: list[nn.Module] = []
    if spec.brightness:
        change = (1 - spec.brightness, 1 + spec.brightness)
        changes.append(k.RandomBrightness(change, p=spec.chance))
    if spec.contrast:
        change = (1 - spec.contrast, 1 + spec.contrast)
        changes.append(k.RandomContrast(change, p=spec.chance))
    if spec.gamma:
        changes.append(k.RandomGamma(spec.gamma, p=spec.chance))
    if spec.blur:
        sigma = (min(0.2, spec.blur), spec.blur)
        changes.append(k.RandomGaussianBlur((5, 5), sigma, p=spec.chance / 2))
    return changes


def _alone(image: Tensor, around: int, chance: float) -> Tensor:
    """Let some slices stand in for their neighbours; (n, around x channels, h, w)."""
    channels = image.shape[1] // around
    middle = around // 2 * channels
    own = image[:, middle : middle + channels].repeat(1, around, 1, 1)
    chosen = torch.rand(len(image), 1, 1, 1, device=image.device) < chance
    return torch.where(chosen, own, image)


def _boxes(image: Tensor, chance: float) -> Tensor:
    """Draw the boxes of CutMix (Yun et al. 2019): a part uniform in 0..1/2 of a slice.

    (n, h, w) bool; slices that are not mixed have none.
    """
    n, _, h, w = image.shape
    device = image.device
    draws = torch.rand(4, n, 1, device=device)
    side = (0.5 * draws[0]).sqrt() * (torch.rand(n, 1, device=device) < chance)
    rows, columns = (torch.arange(k, device=device) + 0.5 for k in (h, w))

    def within(places: Tensor, size: int, draw: Tensor) -> Tensor:
        start = draw * (1 - side) * size
        return (places >= start) & (places < start + side * size)

    return within(rows, h, draws[1])[:, :, None] & within(columns, w, draws[2])[:, None]


def _added(image: Tensor, spec: Augmentation) -> Tensor:
    """Add a constant to some slices, as the released code of Hu et al. 2021 does."""
    assert spec.added is not None
    mean, deviation = spec.added
    draws = torch.randn(len(image), 1, 1, 1, device=image.device) * deviation + mean
    chosen = torch.rand_like(draws) < spec.chance
    return image + draws * chosen


def _noise(image: Tensor, spec: Augmentation) -> Tensor:
    """Gaussian noise whose strength differs between slices, up to `spec.noise`."""
    strength = torch.rand(len(image), 1, 1, 1, device=image.device) * spec.noise
    chosen = torch.rand_like(strength) < spec.chance
    return image + torch.randn_like(image) * strength * chosen
