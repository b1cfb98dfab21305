"""Steps of an optimiser, and averages of weights."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.plan.stage import Optimiser
from napari_contrastseg.learning.training.optim import (
    Average,
    make_optimiser,
    take_step,
)
from tests.kit.tensors import seeded

SMALL = NetworkSpec(widths=(4, 8))


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_a_step_is_that_of_torch(name: Literal["adam", "adamw"]) -> None:
    ours, its = (nn.Parameter(torch.linspace(-1, 1, 7)) for _ in range(2))
    mine = make_optimiser(Optimiser(0.1, 0.3, name), [ours])
    kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
    theirs = kind([its], lr=0.1, weight_decay=0.3)
    for count in range(4):
        for weight in (ours, its):
            weight.grad = torch.randn(7, generator=seeded(count))
        take_step(mine)
        theirs.step()
    assert torch.allclose(ours, its, atol=1e-6)
    assert ours.requires_grad
    assert mine.state_dict()["state"][0]["step"] == 4


def test_weights_are_averaged_with_a_ramp() -> None:
    network = UNet(1, 2, SMALL)
    average = Average(network, 0.35)
    state = network.state_dict()
    by_hand: dict[str, Tensor] = {}
    for count in range(8):
        for tensor in state.values():
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=seeded(count)))
            else:
                tensor.fill_(count)
        decay = min(0.35, (1 + count) / (10 + count)) if count else 0.0
        for name, tensor in state.items():
            now = tensor.double()
            mean = decay * by_hand.get(name, now) + (1 - decay) * now
            by_hand[name] = mean if tensor.is_floating_point() else now
        average.update(network)
    assert average.count == 8
    for name, tensor in average.module.state_dict().items():
        assert torch.allclose(tensor.double(), by_hand[name], atol=1e-6), name
