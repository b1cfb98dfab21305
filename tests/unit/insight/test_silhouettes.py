"""Silhouettes against values worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from napari_contrastseg.insight.silhouettes import (
    adjusted,
    possibly_mislabelled,
    silhouettes,
)
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.samples.samples import phantom
from tests.kit.tables import everything


def test_silhouette_oracle() -> None:
    angles = np.radians([0.0, 10.0, 80.0, 100.0, 200.0])
    z = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = silhouettes(z, np.array([1, 1, 1, 2, 2]))
    assert found.samples.mean() == pytest.approx(0.307650, abs=1e-6)
    assert found.overall == pytest.approx(0.255158, abs=1e-6)


def test_one_class_has_no_silhouette() -> None:
    found = silhouettes(np.eye(4), np.ones(4, int))
    assert found.overall == 0
    assert math.isfinite(found.samples.sum())


def test_nearest_is_the_other_class_that_is_most_alike() -> None:
    z = np.array([[1, 0, 0], [0.9, 0.3, 0], [0, 1, 0], [0, 0.9, 0.1], [0, 0, 1.0]])
    found = silhouettes(z, np.array([4, 4, 7, 7, 9]))
    assert found.nearest.tolist() == [7, 7, 4, 4, 7]


def test_adjusted_coefficient() -> None:
    assert [adjusted(s) for s in (-1.0, 0.0, 1.0)] == pytest.approx([0.05, 0.55, 1.05])


def test_a_slice_that_is_mislabelled_is_found() -> None:
    sample = phantom(0)
    target = sample.truth.astype(np.int16)
    wrong = target.copy()
    wrong[5] = np.choose(target[5], (0, 2, 1))
    table = everything([TrainingVolume(sample.volume, wrong)], 900)
    real = target[tuple(table.position.T)]
    noise = np.random.default_rng(0).normal(0, 0.2, (len(table), 3))
    table = replace(table, features=(np.eye(3)[real] + noise).astype(np.float32))
    scores = silhouettes(table.features, table.label)
    first, second, *rest = possibly_mislabelled(table, scores, [0])
    assert {(s.index, s.label, s.looks_like) for s in (first, second)} == {
        (5, 1, 2),
        (5, 2, 1),
    }
    assert first.silhouette < -0.5
    assert all(table.position[list(first.rows), 0] == 5)
    assert all(s.silhouette > second.silhouette for s in rest if len(s.rows) > 2)
