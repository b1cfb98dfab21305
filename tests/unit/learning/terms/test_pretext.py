"""Slices that are turned, masked and swapped, to be put right."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms import pretext
from tests.kit.steps import a_step, slices

if TYPE_CHECKING:
    from napari_contrastseg.learning.data.batch import Batch
    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step_loss import StepLoss


def corrupted(term: StepLoss, batch: Batch, network: UNet) -> Tensor:
    """Slices as the network sees them in a pretext task."""
    step = a_step(network, batch)
    with Randomness(0).scope():
        assert term(step).isfinite()
    return step._passes[-1].image


def test_slices_are_turned(network: UNet, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Tensor] = []

    def listen(scores: Tensor, turns: Tensor) -> Tensor:
        asked.append(turns)
        return functional.cross_entropy(scores, turns)

    monkeypatch.setattr(pretext, "functional", SimpleNamespace(cross_entropy=listen))
    batch = slices(32)
    seen = corrupted(pretext.Rotation(network), batch, network)
    (turns,) = asked
    assert set(turns.tolist()) == {0, 1, 2, 3}
    for image, turned, k in zip(batch.image, seen, turns.tolist(), strict=True):
        assert torch.equal(turned, torch.rot90(image, k, (1, 2)))


def test_boxes_are_masked(network: UNet) -> None:
    batch = slices(16)
    seen = corrupted(pretext.Inpainting(network), batch, network)
    lost = (seen != batch.image).flatten(1)
    assert (seen[seen != batch.image] == 0).all()
    assert lost.sum(1).min() >= 4 * 4, "one box of a quarter of each side"
    assert 4 * 4 < lost.sum(1).max() <= 3 * 4 * 4


@pytest.mark.parametrize("size", [16, 40])
def test_pieces_are_swapped(size: int, network: UNet) -> None:
    batch = slices(16, size)
    seen = corrupted(pretext.ContextRestoration(network), batch, network)
    assert (seen != batch.image).flatten(1).any(1).all()
    for one, other in zip(seen, batch.image, strict=True):
        assert torch.equal(one.flatten().sort().values, other.flatten().sort().values)
