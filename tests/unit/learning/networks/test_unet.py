"""U-Net: names and sizes of its taps, groups that do not train."""

from __future__ import annotations

import torch

from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet

SMALL = NetworkSpec(widths=(4, 8, 8))


def test_taps_have_their_names_and_sizes() -> None:
    net = UNet(3, 4, NetworkSpec(widths=(4, 8, 16)))
    x = torch.zeros(2, 3, 16, 24)
    assert net(x).shape == (2, 4, 16, 24)
    assert net.tap(x, "bottleneck").shape == (2, 16, 4, 6)
    assert net.tap(x, "dec1").shape == (2, 8, 8, 12)
    assert net.tap(x, "dec2").shape == (2, 4, 16, 24)
    assert net.divisor == 4


def test_frozen_groups_do_not_train() -> None:
    net = UNet(1, 2, SMALL)
    chosen = net.set_trainable(("decoder",))
    assert {id(p) for p in chosen} == {id(p) for p in net.decoder.parameters()}
    assert not net.encoder.training


def test_a_plain_centre_has_no_norm() -> None:
    """As in the released code of Hu et al. 2021: sizes are not normalised away."""
    spec = NetworkSpec((4, 8, 8), "instance", "none", centre="plain")
    network = UNet(1, 2, spec)
    image = torch.rand(3, 1, 16, 16) * torch.tensor([0.2, 1.0, 3.0]).view(3, 1, 1, 1)

    def kinds(level: int) -> set[str]:
        return {type(layer).__name__ for layer in network.encoder[level].children()}

    assert "InstanceNorm" not in kinds(-1)
    assert "InstanceNorm" in kinds(0)
    assert network.tap(image, "bottleneck").min() == 0, "plain ReLU"
