"""Tiles with a whole slice's statistics give what the whole slice gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_contrastseg.learning.networks.slice_statistics import Moments, TileNetwork
from napari_contrastseg.learning.networks.spec import NetworkSpec, Norm
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.rng import Randomness

#: Beyond what the default network sees around a pixel.
HALO, TILE = 56, 160


def picture(rows: int, columns: int) -> Tensor:
    """Discs on a slope, one side of it dark: tiles differ much."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:rows, :columns] / rows
    image = 0.6 * x
    for row, column, radius in rng.random((30, 3)) * [1, columns / rows, 0.12]:
        image[(y - row) ** 2 + (x - column) ** 2 < radius**2] = rng.random()
    image[:, : columns // 3] *= 0.1
    image += 0.05 * rng.standard_normal(image.shape)
    return torch.from_numpy(image.clip(0, 1).astype(np.float32))[None, None]


def by_tiles(network: TileNetwork, image: Tensor, *, look: bool) -> Tensor:
    """Look at every tile, or put together what they give."""
    rows, columns = image.shape[-2:]
    found = image.new_empty(1, 3, rows, columns)
    for top in range(0, rows, TILE):
        for left in range(0, columns, TILE):
            bottom, right = min(top + TILE, rows), min(left + TILE, columns)
            a, b = max(0, top - HALO), min(rows, bottom + HALO)
            c, d = max(0, left - HALO), min(columns, right + HALO)
            tile = image[..., a:b, c:d].clone()
            if look:
                high, wide = b - a, d - c
                core = (top - a) / high, (bottom - a) / high
                network.look(tile, (*core, (left - c) / wide, (right - c) / wide))
                continue
            logits = network.network(tile)
            found[..., top:bottom, left:right] = logits[
                ..., top - a : bottom - a, left - c : right - c
            ]
    return found.softmax(dim=1)


@pytest.mark.parametrize(
    ("norm", "rows", "columns"),
    [
        pytest.param("instance-batch", 320, 384, marks=pytest.mark.slow),
        ("batch", 320, 384),
        pytest.param("instance-batch", 704, 896, marks=pytest.mark.slow),
        pytest.param("group", 704, 896, marks=pytest.mark.slow),
    ],
)
@torch.inference_mode()
def test_tiles_give_the_whole_slices_probabilities(
    norm: Norm, rows: int, columns: int
) -> None:
    with Randomness(0).scope():
        network = UNet(1, 3, NetworkSpec(norm=norm, decoder_norm=norm)).eval()
    image = picture(rows, columns)
    whole = network(image).softmax(dim=1)
    tiles = TileNetwork(network)
    assert (tiles.by_slice > 0) == (norm != "batch")
    if tiles.by_slice:
        crops = torch.cat(
            [
                image[..., a : a + 128, b : b + 128]
                for a in range(0, rows - 127, 192)
                for b in range(0, columns - 127, 256)
            ]
        )
        tiles.settle(crops.clone())
        changes = []
        for _ in range(4):
            by_tiles(tiles, image, look=True)
            changes.append(tiles.change())
            tiles.settle(crops.clone())
        assert changes[-1] < 0.1 * changes[0]
    found = by_tiles(tiles, image, look=False)
    assert (found - whole).abs().max() < 1e-3
    assert torch.equal(network(image).softmax(dim=1), whole), "the network is left"


def test_moments_of_parts_join_to_those_of_all() -> None:
    values = 1e3 + torch.from_numpy(np.random.default_rng(1).normal(size=(1, 3, 90)))
    parts = [Moments.of(part) for part in values.split((7, 33, 50), dim=2)]
    joined = parts[0].joined(parts[1]).joined(parts[2])
    assert joined.count == 90
    assert joined.mean.numpy() == pytest.approx(values[0].mean(1).numpy())
    assert joined.variance.numpy() == pytest.approx(values[0].numpy().var(axis=1))
