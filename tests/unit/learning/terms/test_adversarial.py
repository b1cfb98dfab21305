"""Critic and network: one step is a step of both players."""

from __future__ import annotations

import math

import pytest
import torch

from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms.adversarial import Adversary, critics_loss
from tests.kit.steps import CLASSES, a_step, slices


def test_the_critics_loss_is_that_of_a_loop() -> None:
    """Zhang et al. 2017: 1 for labelled slices, 0 for the others."""
    rng = torch.Generator().manual_seed(0)
    one, other = (torch.randn(k, dtype=torch.float64, generator=rng) for k in (4, 3))
    known = sum(-math.log(1 / (1 + math.exp(-float(s)))) for s in one) / 4
    unknown = sum(-math.log(1 - 1 / (1 + math.exp(-float(s)))) for s in other) / 3
    assert critics_loss(one, other).item() == pytest.approx(known + unknown, abs=1e-10)


def test_the_network_goes_uphill_where_the_critic_goes_downhill() -> None:
    with Randomness(0).scope():
        network = UNet(1, CLASSES, NetworkSpec((4, 8), "none", "none"))
        term = Adversary(network, weight=0.5)
    batches = slices(2), slices(3, seed=1, known=False)

    def loss() -> torch.Tensor:
        step = a_step(network, batches[0], unlabelled=[batches[1]])
        found: torch.Tensor = term(step)
        return found

    loss().backward()
    critic = [p.grad.clone() for p in term.head.parameters() if p.grad is not None]
    theirs = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    image = torch.cat([batch.image for batch in batches])
    plain = term.head(torch.cat([image, network(image).softmax(1)], dim=1))
    whole = critics_loss(plain[:2], plain[2:])
    wanted = torch.autograd.grad(whole, [*term.head.parameters()], retain_graph=True)
    for mine, true in zip(critic, wanted, strict=True):
        assert torch.allclose(mine, true, atol=1e-6)
    used = [p for p in network.parameters() if p.grad is not None]
    for mine, true in zip(theirs, torch.autograd.grad(whole, used), strict=True):
        assert torch.allclose(mine, -0.5 * true, atol=1e-6)


def test_without_other_slices_there_is_nothing_to_tell_apart() -> None:
    with Randomness(0).scope():
        network = UNet(1, CLASSES, NetworkSpec((4, 8)))
        term = Adversary(network, weight=0.5)
    assert term(a_step(network, slices(2))).item() == 0
