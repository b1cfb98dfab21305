"""Augmented pixels know where they came from."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from napari_contrastseg.learning.data.augment import Augment, source_pixels
from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.data.view import STRONG, Augmentation
from napari_contrastseg.learning.runtime.rng import Randomness
from tests.kit.tensors import seeded

FLIPS = Augmentation(mirror=True)
GEOMETRY = Augmentation(
    rotation=20, scale=(0.8, 1.25), shift=0.1, elastic=0.03, mirror=True, chance=1.0
)


def numbered(n: int = 6, h: int = 24, w: int = 32) -> Batch:
    """Slices whose image and truth are the number of each pixel in its slice."""
    number = torch.arange(h * w).view(h, w).expand(n, -1, -1).clone()
    return Batch(number[:, None].float(), number, torch.ones(n, h, w))


def moved(raw: Batch, spec: Augmentation, seed: int = 0) -> tuple[Batch, Tensor]:
    """Augment; also the pixels' sources."""
    _, _, h, w = raw.image.shape
    with Randomness(seed).scope():
        view = Augment(spec, (h, w), (0, 1))(raw)
    assert view.grid is not None
    return view, source_pixels(view.grid)


def test_the_grid_tells_where_pixels_came_from() -> None:
    raw = numbered()
    view, pixels = moved(raw, GEOMETRY)
    assert view.grid is not None
    again = functional.grid_sample(raw.image, view.grid, align_corners=True)
    assert torch.allclose(view.image, again, atol=1e-3)
    within = pixels - torch.arange(6)[:, None, None] * raw.target[0].numel()
    within = torch.where(pixels < 0, -1, within)
    assert torch.equal(view.target, within), "the nearest pixel's truth"
    assert (pixels < 0).any(), "something came from outside"
    assert torch.equal(view.weight > 0, pixels >= 0)


def test_moving_coordinates_moves_the_image() -> None:
    spec = Augmentation(rotation=20, scale=(0.8, 1.25), mirror=True, chance=1.0)
    raw = Batch(
        torch.rand(4, 1, 24, 32, generator=seeded(0)),
        torch.zeros(4, 24, 32, dtype=torch.int64),
        torch.ones(4, 24, 32),
    )
    view, pixels = moved(raw, spec)
    augment = Augment(spec, (24, 32), (0, 1))
    assert augment._geometry is not None
    with Randomness(0).scope():
        by_kornia = augment._geometry(raw.image)
    inside = pixels >= 0
    assert inside.float().mean() > 0.5
    assert torch.allclose(view.image[:, 0][inside], by_kornia[:, 0][inside], atol=1e-4)


def test_flips_find_the_very_same_pixels() -> None:
    raw = numbered()
    batch_wide = torch.arange(raw.target.numel()).view(raw.target.shape)
    raw = Batch(batch_wide[:, None].float(), raw.target, raw.weight)
    (first, one), (second, other) = (moved(raw, FLIPS, seed) for seed in (0, 1))
    assert torch.equal(first.image[:, 0].round().long(), one)
    assert torch.equal(second.image[:, 0].round().long(), other)
    assert not torch.equal(one, other)
    places = [pixels.flatten().argsort() for pixels in (one, other)]
    assert torch.equal(
        first.target.flatten()[places[0]], second.target.flatten()[places[1]]
    )


def test_shifted_pixels_from_outside_have_no_number() -> None:
    view, pixels = moved(numbered(), Augmentation(shift=0.4, chance=1.0))
    assert (pixels == -1).any()
    assert torch.equal(pixels == -1, view.target == -1)
    assert pixels.min() == -1
    assert moved(numbered(), STRONG)[1].max() < numbered().target.numel()
