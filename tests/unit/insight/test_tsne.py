"""The 2D map of features: its frames, and how it goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.insight.feature_table import FeatureTable
from napari_contrastseg.insight.silhouettes import silhouettes
from napari_contrastseg.insight.tsne import Frame, carry_over, frames
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.samples.samples import phantom
from tests.kit.tables import everything, groups

if TYPE_CHECKING:
    from numpy.typing import NDArray


def test_a_map_of_other_voxels_goes_on_where_they_were() -> None:
    sample = phantom(0)
    volumes = [TrainingVolume(sample.volume, sample.truth.astype(np.int16))]
    table = everything(volumes, 90)
    features = np.eye(3, dtype=np.float32)[table.label]
    old = replace(table, features=features)
    layout = np.eye(3)[table.label][:, :2] * 10
    kept = np.arange(len(table)) % 3 > 0
    some = FeatureTable(
        table.names,
        table.volume[kept],
        table.position[kept],
        table.label[kept],
        table.kind[kept],
        features[kept],
    )
    start = carry_over(some, layout[kept], old)
    assert start is not None
    assert np.array_equal(start[kept], layout[kept])
    assert start[~kept] == pytest.approx(layout[~kept]), "among those like it"
    assert carry_over(replace(some, names=("another",)), layout[kept], old) is None


def test_a_layout_keeps_groups_apart() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.eye(3), 30, axis=0) + rng.normal(0, 0.05, (90, 3))
    *_, last = frames(groups)
    assert last.shown.shape == (90, 2)
    found = silhouettes(groups, np.repeat([0, 1, 2], 30))
    assert found.overall > 0.8


def test_the_first_frame_is_pca_and_the_last_is_settled() -> None:
    points = groups()
    every = list(frames(points))
    assert every[0].iteration == 0
    assert not any(frame.settled for frame in every[:-1])
    assert every[-1].settled
    assert [f.iteration for f in every] == sorted(f.iteration for f in every)
    shown = every[-1].shown
    assert shown.mean(axis=0) == pytest.approx([0, 0], abs=1e-5)
    assert (shown**2).sum(axis=1).mean() == pytest.approx(1, abs=1e-5)
    centres = np.stack([shown[k::3].mean(axis=0) for k in range(3)])
    spread = max(
        np.linalg.norm(shown[k::3] - centres[k], axis=1).max() for k in (0, 1, 2)
    )
    apart = min(np.linalg.norm(centres[i] - centres[i - 1]) for i in range(3))
    assert apart > spread, "groups stay apart"


def test_a_map_moves_on_from_the_last() -> None:
    points = groups()
    *_, last = frames(points)
    moved = points + np.random.default_rng(1).normal(0, 0.02, points.shape)
    *_, warm = frames(moved, last.layout)
    *_, cold = frames(moved)
    assert warm.iteration < cold.iteration
    assert warm.kl < 1.05 * cold.kl
    step = np.linalg.norm(warm.shown - last.shown, axis=1).mean()
    assert step < 0.3, "of a map whose radius is 1"


@pytest.mark.parametrize(
    "points", [np.ones((50, 4)), np.zeros((50, 4)), np.eye(5), np.ones((1, 3))]
)
def test_maps_of_nothing_much(points: NDArray[np.float64]) -> None:
    (frame,) = frames(points)
    assert frame.settled
    assert np.isfinite(frame.shown).all()


def test_equal_points_among_others() -> None:
    points = np.repeat(groups(60), 4, axis=0)
    *_, last = frames(points)
    assert np.isfinite(last.layout).all()


def test_frames_say_where_another_map_may_begin() -> None:
    assert not Frame(np.zeros((9, 2)), 10, np.nan, settled=False).free
    assert Frame(np.zeros((9, 2)), 130, 1.5, settled=False).free
