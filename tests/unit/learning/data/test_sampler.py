"""Views draw parts of volumes, and slices with and without labels."""

from __future__ import annotations

import torch

from napari_contrastseg.learning.data.sampler import Views
from napari_contrastseg.learning.data.view import View
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms import position_contrast as structure
from tests.kit.cohorts import noise_cohort

CPU = torch.device("cpu")


def test_a_batch_holds_every_part_of_its_volumes() -> None:
    views = Views(
        View("all", 8, 2, partitions=4), noise_cohort(8, 9, 5), Randomness(0), CPU
    )
    seen = set()
    for _ in range(12):
        raw = views.draw()
        assert raw.volume is not None
        assert raw.position is not None
        parts = structure.parts_of(raw.position, 4)
        assert parts.tolist() == [0, 1, 2, 3] * 2
        assert all(len(set(v)) == 1 for v in raw.volume.view(2, 4).tolist())
        seen |= set(zip(raw.volume.tolist(), raw.position.tolist(), strict=True))
        assert len(views.augmented(raw)) == 2
    assert len(seen) == 8 + 9 + 5, "all slices come"


def test_thin_volumes_give_the_parts_they_have() -> None:
    views = Views(View("all", 4, partitions=4), noise_cohort(2, 1), Randomness(0), CPU)
    thick, thin = set(), []
    for _ in range(6):
        raw = views.draw()
        assert raw.position is not None
        assert raw.volume is not None
        assert len(raw.image) == 4
        parts = structure.parts_of(raw.position, 4)
        thick |= set(parts[raw.volume == 0].tolist())
        thin += parts[raw.volume == 1].tolist()
    assert thick == {0, 3}
    assert min(thin) >= 4, "a slice without a position is a part of its own"


def test_slices_without_labels_or_all() -> None:
    cohort = noise_cohort(3, 4)
    assert len(cohort.labelled) == 3
    for slices_of, volumes in (("unlabelled", {1}), ("labelled", {0}), ("all", {0, 1})):
        views = Views(View(slices_of, 12), cohort, Randomness(0), CPU)  # type: ignore[arg-type]
        raw = views.draw()
        assert raw.volume is not None
        assert set(raw.volume.tolist()) == volumes
    complete = Views(View("unlabelled", 2), noise_cohort(3), Randomness(0), CPU)
    assert len(complete.draw().image) == 2, "where all are labelled: all"
