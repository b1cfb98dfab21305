"""Pieces found block by block are those of the whole mask."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_contrastseg.session import specks
from napari_contrastseg.session.connected import Connected
from napari_contrastseg.session.specks import find_pieces


@pytest.mark.parametrize("shape", [(12, 9, 10), (1, 40, 30), (30, 1, 7), (5, 6, 50)])
@pytest.mark.parametrize("density", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("voxels", [1, 60, 100, 10**6])
def test_pieces_of_blocks_are_those_of_the_whole_mask(
    shape: tuple[int, int, int], density: float, voxels: int
) -> None:
    mask = np.random.default_rng(0).random(shape) < density
    whole, count = ndimage.label(mask, np.ones((3, 3, 3)))
    found = Connected(lambda key: mask[key], shape, voxels)
    joined = np.full(shape, -1)
    for key, numbers in found:
        joined[key] = numbers
    assert found.count == count
    pairs = np.unique(np.stack([whole.ravel(), joined.ravel()]), axis=1)
    assert np.array_equal(np.unique(pairs[0]), pairs[0]), "no piece is torn apart"
    assert len(np.unique(pairs[1])) == count + (not mask.all()), "none are joined"
    assert joined.min() >= 0


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_specks_do_not_depend_on_the_blocks(
    monkeypatch: pytest.MonkeyPatch, axis: int, seed: int
) -> None:
    """Oracle: each piece is looked at in the whole volume, one after the other."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(20, 24, 22)), 1.5)
    labels = np.digitize(smooth, np.quantile(smooth, [0.7, 0.9])).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.01] = 2
    settled = np.zeros(labels.shape, bool)
    np.moveaxis(settled, axis, 0)[[3, 9, 15]] = True
    settled[rng.random(labels.shape) < 0.002] = True
    monkeypatch.setattr(
        specks, "Connected", lambda mask, shape: Connected(mask, shape, 600)
    )
    whole = [slice(0, n) for n in labels.shape[1:]]
    layers = [(slice(k, k + 1), *whole) for k in range(len(labels))]
    monkeypatch.setattr(specks, "blocks", lambda _shape: layers)
    found = find_pieces(labels, settled, axis, (1, 2, 3))
    assert found.keys() == {1, 2}
    for class_id, pieces in found.items():
        assert np.array_equal(
            pieces.specks, slow_specks(labels, settled, axis, class_id)
        )
        assert len(pieces.specks)
        assert pieces.one is not None


def slow_specks(
    labels: np.ndarray, settled: np.ndarray, axis: int, class_id: int
) -> np.ndarray:
    """As the docstrings of `Pieces` and the module's constants say."""
    whole, count = ndimage.label(labels == class_id, np.ones((3, 3, 3)))
    done = np.asarray(np.moveaxis(settled, axis, 0).all(axis=(1, 2)))
    largest = max(int((whole == k).sum()) for k in range(1, count + 1))
    mine = np.zeros(labels.shape, bool)
    for k in range(1, count + 1):
        piece = whole == k
        if (piece & settled).any() or piece.sum() == largest:
            continue
        areas = np.moveaxis(piece, axis, 0).sum(axis=(1, 2))
        near = sum(
            int(area)
            for z, area in enumerate(areas)
            if not done[z] and bool(done[max(z - 1, 0) : z + 2].any())
        )
        small = piece.sum() < specks.SPECK_SHARE * largest
        if small or near >= specks.CONTRADICTED * areas.max():
            mine |= piece
    return np.flatnonzero(mine)
