"""Cross-image contrast: anchors, and what is remembered."""

from __future__ import annotations

from typing import Any

import torch

from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms.cross_image import PIXELS, CrossImageContrast
from tests.kit.steps import CLASSES, a_step, slices


def a_term(**changes: Any) -> tuple[UNet, CrossImageContrast]:
    with Randomness(0).scope():
        network = UNet(1, CLASSES, NetworkSpec((4, 8)))
        options: dict[str, Any] = {
            "temperature": 0.1,
            "size": 40,
            "stride": 2,
            "dim": 8,
        }
        return network, CrossImageContrast(network, **options | changes)


def test_the_first_step_remembers_and_the_second_contrasts() -> None:
    network, term = a_term()
    with Randomness(1).scope():
        first = term(a_step(network, slices(3)))
        assert first.item() == 0
        counts = term.head.pixels.count.clone()
        assert (counts <= 3 * PIXELS).all()
        assert counts.sum() > 0
        assert (term.head.regions.count <= 3).all()
        step = a_step(network, slices(3, seed=1))
        second = term(step)
        step.backward(second)
    assert second.item() > 0
    trained = [p.grad for p in term.head.parameters()]
    assert all(grad is not None and grad.any() for grad in trained)


def test_slices_without_labels_take_no_part() -> None:
    network, term = a_term()
    with Randomness(1).scope():
        term(a_step(network, slices(2), unlabelled=[slices(3, known=False)]))
        counts = term.head.pixels.count.clone()
        term(a_step(network, slices(2, known=False)))
    assert torch.equal(counts, term.head.pixels.count)


def test_half_of_the_anchors_are_wrong_ones_where_there_are_as_many() -> None:
    _, term = a_term(anchors=10)
    labels = torch.tensor([0] * 40 + [1] * 40 + [2] * 4 + [-1] * 10)
    wrong = torch.zeros(94, dtype=torch.bool)
    wrong[:20] = wrong[40:42] = wrong[80:84] = True
    with Randomness(0).scope():
        chosen = term._anchors(labels, wrong)
    assert len(chosen) == len(chosen.unique()) == 24
    for kind, count, hard in ((0, 10, 5), (1, 10, 2), (2, 4, 4)):
        own = chosen[labels[chosen] == kind]
        assert (len(own), int(wrong[own].sum())) == (count, hard)
