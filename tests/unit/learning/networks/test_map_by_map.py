"""A slice that goes through map by map says what it says when it goes through whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_contrastseg.learning.networks import map_by_map
from napari_contrastseg.learning.networks.map_by_map import (
    FEWEST_ROWS,
    goes_map_by_map,
    kept_bytes,
    logits,
    work_of,
)
from napari_contrastseg.learning.networks.slice_statistics import TileNetwork
from napari_contrastseg.learning.networks.spec import NetworkSpec, Norm
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.rng import Randomness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike, NDArray

ROWS, COLUMNS = 104, 136
WIDTHS = (4, 8, 16)


def network_with(norm: Norm) -> UNet:
    spec = NetworkSpec(WIDTHS, norm=norm, decoder_norm=norm)
    with Randomness(0).scope():
        return UNet(2, 3, spec).eval()


def picture() -> torch.Tensor:
    """One side is dark, so that strips and columns differ."""
    image = np.random.default_rng(0).random((1, 2, ROWS, COLUMNS)).astype(np.float32)
    image[..., :30] *= 0.1
    image[..., :40, :] += 1
    return torch.from_numpy(image)


@pytest.mark.parametrize("norm", ["instance-batch", "instance", "group", "batch"])
@torch.inference_mode()
def test_strips_say_what_the_whole_says(
    norm: Norm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_by_map, "STRIP_PIXELS", 17 * COLUMNS)
    network, image = network_with(norm), picture()
    whole = network(image.clone())
    found, worked, most = torch.zeros_like(whole), 0, 0
    strips = logits(
        TileNetwork(network).network,
        lambda top, bottom: image[..., top:bottom, :].clone(),
        ROWS,
        COLUMNS,
    )
    for top, pixels, strip in strips:
        worked, most = worked + pixels, max(most, pixels)
        if strip is not None:
            found[..., top : top + strip.shape[-2], :] = strip
    assert (found - whole).abs().max() < 1e-5
    assert worked == work_of(network, ROWS, COLUMNS)
    assert most <= max(17, FEWEST_ROWS) * COLUMNS, "a cancel waits for so many"


@torch.inference_mode()
def test_no_more_maps_are_kept_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of small widths those of the levels between are less than what is left out."""
    network, image, made = network_with("batch"), picture(), [0]

    def counted(shape: Sequence[int], dtype: DTypeLike) -> NDArray[np.float32]:
        found = np.zeros(shape, dtype)
        made[0] += found.nbytes
        return found

    monkeypatch.setattr(map_by_map, "zeros", counted)
    strips = logits(
        network, lambda top, bottom: image[..., top:bottom, :], ROWS, COLUMNS
    )
    assert any(found is not None for *_, found in strips)
    finest = 4 * ROWS * COLUMNS * WIDTHS[0]
    assert made[0] > 4 * finest, "two maps down and two up"
    assert 3 * finest < kept_bytes(network, ROWS * COLUMNS) <= 5 * finest


def test_networks_of_other_layers_are_left_to_tiles() -> None:
    assert goes_map_by_map(UNet(1, 2, NetworkSpec(WIDTHS)))
    assert not goes_map_by_map(UNet(1, 2, NetworkSpec(WIDTHS, attention=True)))
    assert not goes_map_by_map(UNet(1, 2, NetworkSpec(WIDTHS, peer=True)))
