"""A small network without statistics of batches."""

from __future__ import annotations

from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.rng import Randomness
from tests.kit.steps import CLASSES

SMALL = NetworkSpec((4, 8), "instance", "instance")


def a_network(spec: NetworkSpec = SMALL, classes: int = CLASSES) -> UNet:
    with Randomness(0).scope():
        return UNet(1, classes, spec)
