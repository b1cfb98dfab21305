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
