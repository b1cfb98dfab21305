"""Which pixels of a slice a contrast looks at."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms.pixel_sampling import blocks, subsample
from tests.kit.tensors import seeded

CPU = torch.device("cpu")


def test_blocks_are_numbered_in_rows() -> None:
    found = blocks((2, 5, 7), 3, CPU)
    assert found.shape == (2, 5, 7)
    rows = [[0, 0, 0, 1, 1, 1, 2]] * 3 + [[3, 3, 3, 4, 4, 4, 5]] * 2
    assert found[0].tolist() == found[1].tolist() == rows


def labels_and_segments() -> tuple[Tensor, Tensor]:
    shares = torch.tensor([0.2, 0.4, 0.2, 0.15, 0.05])
    labels = torch.multinomial(shares, 600, replacement=True, generator=seeded(0)) - 1
    segments = torch.randint(0, 3, (600,), generator=seeded(1))
    labels[(segments == 2) & (labels == 1)] = 0  # a segment that lacks a class
    return labels, segments


@pytest.mark.parametrize("limit", [0, 4, 30, 10_000])
@pytest.mark.parametrize("ratio", [None, 0.5, 1.0, 3.0])
def test_only_so_many_pixels_are_left(limit: int, ratio: float | None) -> None:
    labels, segments = labels_and_segments()
    with Randomness(0).scope():
        found = subsample(labels, segments, limit=limit, ratio=ratio)
    assert ((found == labels) | (found == -1)).all()
    for segment in range(3):
        before, after = labels[segments == segment], found[segments == segment]
        classes = before[before > 0].unique().tolist()
        for kind in classes:
            many = int((before == kind).sum())
            wanted = min(many, limit // len(classes)) if limit else many
            assert (after == kind).sum() == wanted
        background, left = int((before == 0).sum()), int((after == 0).sum())
        if ratio is None:
            assert left == background
        else:
            most = ratio * int((after > 0).sum())
            assert min(background, int(most)) <= left <= math.ceil(most)


def test_nothing_is_drawn_without_a_limit() -> None:
    labels, segments = labels_and_segments()
    assert torch.equal(subsample(labels, segments, limit=0, ratio=None), labels)
    none = torch.where(labels > 0, -1, labels)
    left = subsample(none, segments, limit=9, ratio=2.0)
    assert (left == -1).all(), "no foreground, no background"


def test_draws_differ_and_repeat() -> None:
    labels, segments = labels_and_segments()

    def draws() -> list[Tensor]:
        randomness, found = Randomness(3), []
        for _ in range(2):
            with randomness.scope():
                found.append(subsample(labels, segments, limit=20, ratio=1.0))
        return found

    first, second = draws()
    assert not torch.equal(first, second)
    assert all(torch.equal(*pair) for pair in zip(draws(), draws(), strict=True))
