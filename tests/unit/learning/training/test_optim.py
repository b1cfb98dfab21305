"""Averages of weights."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.training.optim import Average
from tests.kit.tensors import seeded

SMALL = NetworkSpec(widths=(4, 8))


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
