"""A portable network gives the probabilities of the network that it was made of."""

from __future__ import annotations

import pytest
import torch

from napari_contrastseg.learning.networks.norm import InstanceBatchNorm, InstanceNorm
from napari_contrastseg.learning.networks.portable import PortableNetwork
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet

SPECS = {
    "usual": NetworkSpec(widths=(4, 8, 16)),
    "instance": NetworkSpec(widths=(4, 8), norm="instance", decoder_norm="batch"),
    "gates": NetworkSpec(widths=(4, 8), attention=True, decoder_norm="none"),
    "two decoders": NetworkSpec(widths=(4, 8), peer=True, norm="group"),
}


@pytest.mark.parametrize("name", SPECS)
def test_equal_probabilities(name: str) -> None:
    torch.random.manual_seed(0)  # weights that differ from class to class
    network = UNet(2, 3, SPECS[name])
    network(torch.rand(4, 2, 16, 16))  # batch norms have seen something
    network.eval()
    images = torch.rand(3, 2, 16, 24)
    made = PortableNetwork(network)
    with torch.inference_mode():
        assert torch.allclose(made(images), network(images).softmax(1), atol=1e-5)
    ours = (InstanceBatchNorm, InstanceNorm)
    assert not any(isinstance(module, ours) for module in made.modules())
    assert network.training is False
