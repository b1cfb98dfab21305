"""A small network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kit.networks import a_network

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.unet import UNet


@pytest.fixture
def network() -> UNet:
    return a_network()
