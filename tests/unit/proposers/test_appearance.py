"""What classes look like: a fit that ends soon, whatever there is of channels."""

from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.proposers import appearance
from napari_contrastseg.proposers.appearance import Appearance, filters


@pytest.mark.parametrize(("channels", "classes"), [(1, 2), (10, 2), (2, 30)])
def test_many_channels_or_classes_are_fitted_with_a_bounded_number_of_slopes(
    channels: int, classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    solve = np.linalg.solve

    def counted(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
        sizes.append(len(matrix))
        return solve(matrix, right)

    monkeypatch.setattr(np.linalg, "solve", counted)
    rng = np.random.default_rng(0)
    answers = np.repeat(np.arange(classes), 10)
    image = rng.normal(0, 0.1, (channels, len(answers), 1)) + answers[:, None]
    maps = filters(image.astype(np.float32))
    look = Appearance(maps.reshape(len(maps), -1).T, answers, len(maps))
    assert 0 < max(sizes) <= max(appearance.MOST_UNKNOWNS, classes * (len(maps) + 1))
    assert (look.chances(maps).argmax(axis=0)[:, 0] == answers).mean() > 0.5


def test_filters_of_all_channels_come_in_turn() -> None:
    image = np.random.default_rng(0).random((3, 12, 12), np.float32)
    found = filters(image)
    assert np.array_equal(found[:3], image)
    assert np.array_equal(found[1::3], filters(image[1:2]))


@pytest.mark.parametrize("classes", [2, 4])
def test_products_of_filters_count_though_they_are_never_written_down(
    classes: int,
) -> None:
    rng = np.random.default_rng(1)
    answers = rng.integers(0, classes, 400)
    rows = rng.normal(answers[:, None], 1, (400, 6)).astype(np.float32)
    look = Appearance(rows, answers, 4)
    found = look.chances(rows.T.reshape(6, 20, 20)).reshape(classes, -1)
    written = look._curved(rows) @ look._slopes
    wanted = np.exp(written) / np.exp(written).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, wanted.T, atol=1e-5)
