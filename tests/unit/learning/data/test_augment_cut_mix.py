"""CutMix: boxes from another slice, in all alike."""

from __future__ import annotations

import torch

from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.data.view import Augmentation
from tests.kit.steps import Pointwise, a_step, changed, slices

MIXED = Augmentation(mirror=True, brightness=0.3, cut_mix=1.0, chance=1.0)


def numbered(n: int = 6, size: int = 24) -> Batch:
    """Slices that are one number everywhere, in image, truth and weight."""
    number = torch.arange(n)[:, None, None].expand(n, size, size).clone()
    return Batch(number[:, None].float(), number, number / n)


def test_a_box_comes_from_the_slice_before_in_all_alike() -> None:
    raw = numbered()
    view = changed(raw, Augmentation(mirror=True, cut_mix=1.0))
    assert view.box is not None
    assert view.grid is not None
    assert view.box.any(dim=(1, 2)).all()
    assert view.box.float().mean(dim=(1, 2)).max() < 0.6, "half a slice, and rounding"
    wanted = torch.where(view.box, raw.target.roll(1, 0), raw.target)
    assert torch.equal(view.target, wanted)
    assert torch.allclose(view.image[:, 0], wanted.float(), atol=1e-4)
    assert torch.allclose(view.weight, wanted / 6, atol=1e-4)
    assert (view.grid[view.box] > 1).all(), "these places are of another slice"
    assert (view.grid[~view.box].abs() <= 1).all()
    assert torch.allclose(view.plain, raw.image, atol=1e-4)  # type: ignore[arg-type]
    assert torch.equal(view.source, raw.image)  # type: ignore[arg-type]
    none = changed(raw, Augmentation(mirror=True, cut_mix=1e-9))
    assert none.box is not None
    assert not none.box.any()


def test_values_are_mixed_as_their_images_were() -> None:
    own, other = slices(2), changed(numbered(4, 16), MIXED)
    step = a_step(Pointwise(), own, unlabelled=[other])
    assert other.plain is not None
    assert other.box is not None
    mixed = step.mixed(step.plain[2:])
    wanted = torch.where(other.box[:, None], other.plain.roll(1, 0), other.plain)
    assert torch.equal(mixed, wanted)
    values = torch.arange(4)[:, None, None].expand(4, 16, 16)
    assert torch.equal(step.mixed(values), mixed[:, 0].round().long())
