"""Augmentation: one geometry for image and truth, unknown outside, seeded."""

from __future__ import annotations

import pytest
import torch

from napari_contrastseg.learning.data.augment import Augment
from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.data.view import INTENSITY_ONLY, STRONG, Augmentation
from napari_contrastseg.learning.runtime.rng import Randomness

GEOMETRY = Augmentation(
    rotation=25, scale=(0.8, 1.2), shift=0.1, elastic=0.05, mirror=True, chance=1.0
)


def disc(n: int = 12, size: int = 48) -> Batch:
    rows, columns = torch.meshgrid(
        torch.arange(size), torch.arange(size), indexing="ij"
    )
    inside = (rows - 20) ** 2 + (columns - 28) ** 2 < 12**2
    target = inside.long().expand(n, -1, -1).clone()
    return Batch(target.float()[:, None], target, torch.ones(n, size, size))


def test_image_and_truth_move_together() -> None:
    augment = Augment(GEOMETRY, (48, 48), (0, 1))
    with Randomness(0).scope():
        moved = augment(disc())
    known = moved.target >= 0
    seen = (moved.image[:, 0] > 0.5) & known
    truth = (moved.target == 1) & known
    overlap = (seen & truth).sum((1, 2)) / (seen | truth).sum((1, 2))
    assert overlap.min() > 0.93
    assert (moved.target - disc().target).abs().sum() > 0, "nothing moved"


def test_what_comes_from_outside_is_unknown() -> None:
    augment = Augment(Augmentation(shift=0.4, chance=1.0), (48, 48), ())
    with Randomness(1).scope():
        moved = augment(disc())
    assert (moved.target == -1).any()
    assert (moved.weight[moved.target == -1] == 0).all()
    assert set(moved.target.unique().tolist()) <= {-1, 0, 1}


def test_unknown_stays_unknown() -> None:
    batch = disc()
    unknown = Batch(batch.image, torch.full_like(batch.target, -1), batch.weight)
    with Randomness(2).scope():
        moved = Augment(STRONG, (48, 48), (1,))(unknown)
    assert (moved.target == -1).all()


def test_intensity_changes_leave_truth_alone() -> None:
    batch = disc()
    with Randomness(3).scope():
        moved = Augment(INTENSITY_ONLY, (48, 48), (0, 1))(batch)
    assert torch.equal(moved.target, batch.target)
    assert not torch.equal(moved.image, batch.image)


def test_seeded_and_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    results = []
    for _ in range(2):
        with Randomness(5).scope():
            results.append(Augment(STRONG, (48, 48), (0, 1))(disc()).image)
    assert torch.equal(*results)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "extreme",
    [
        Augmentation(rotation=360, scale=(1e-3, 1e3), shift=1, elastic=1, chance=1),
        Augmentation(brightness=1, contrast=1, gamma=(1e-3, 9), cut_mix=1, chance=1),
        Augmentation(blur=0.1, noise=3, alone=1e9, added=(-1, 0), chance=1),
    ],
)
def test_the_largest_and_smallest_changes_that_are_allowed_work(
    extreme: Augmentation,
) -> None:
    with Randomness(7).scope():
        moved = Augment(extreme, (48, 48), (0, 1))(disc())
    assert moved.image.isfinite().all()
    assert set(moved.target.unique().tolist()) <= {-1, 0, 1}


def test_few_slices_are_often_seen_without_their_neighbours() -> None:
    image = torch.arange(3.0)[None, :, None, None].expand(400, 3, 4, 4)
    target = torch.zeros(400, 4, 4, dtype=torch.int64)
    batch = Batch(image, target, torch.ones(400, 4, 4))
    shares = []
    for labelled in (4, 24, 216):
        augment = Augment(
            Augmentation(alone=24), (4, 4), (), around=3, labelled=labelled
        )
        found = augment(batch).image
        assert bool((found[:, 1] == 1).all()), "the slice itself stays"
        shares.append((found[:, 0] == 1).float()[:, 0, 0].mean().item())
    assert shares == pytest.approx([0.5, 0.5, 0.1], abs=0.1)
    assert torch.equal(Augment(Augmentation(alone=24), (4, 4), ())(batch).image, image)


def test_turns_are_of_right_angles() -> None:
    batch = disc(40)
    with Randomness(4).scope():
        moved = Augment(Augmentation(turns=True), (48, 48), ())(batch)
    seen = set()
    for image, target in zip(moved.image, moved.target, strict=True):
        (quarters,) = [
            k for k in range(4) if torch.equal(target, batch.target[0].rot90(k))
        ]
        assert torch.allclose(image[0], batch.image[0, 0].rot90(quarters), atol=1e-5)
        seen.add(quarters)
    assert seen == {0, 1, 2, 3}
    wide = Batch(*(x[..., :32] for x in (batch.image, batch.target, batch.weight)))
    with Randomness(4).scope():
        moved = Augment(Augmentation(turns=True), (48, 32), ())(wide)
    for target in moved.target:
        upright = wide.target[0]
        assert torch.equal(target, upright) or torch.equal(target, upright.rot90(2))


def test_added_brightness_is_not_clipped() -> None:
    batch = disc(400)
    with Randomness(5).scope():
        moved = Augment(Augmentation(added=(1.0, 1.0)), (48, 48), ())(batch)
    difference = moved.image - batch.image
    constants = difference[:, 0, 0, 0]
    same = constants.view(-1, 1, 1, 1).expand(difference.shape)
    assert torch.allclose(difference, same, atol=1e-5)
    changed = constants[constants != 0]
    assert 0.4 < len(changed) / 400 < 0.6
    assert changed.mean().item() == pytest.approx(1, abs=0.2)
    assert changed.std().item() == pytest.approx(1, abs=0.2)
    assert moved.image.max() > 2
    assert torch.equal(moved.target, batch.target)
