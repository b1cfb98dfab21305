"""Silhouettes, feature table, layout, and which slice comes next."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_contrastseg.bench.samples import phantom
from napari_contrastseg.insight.features import extract, sample_voxels
from napari_contrastseg.insight.layout import tsne
from napari_contrastseg.insight.next_slice import rank_slices
from napari_contrastseg.insight.silhouettes import silhouettes
from napari_contrastseg.learning.card import InputSpec, ModelCard, ModelClass
from napari_contrastseg.learning.labels import TrainingVolume
from napari_contrastseg.learning.model import Model, build_network
from napari_contrastseg.learning.stage import NetworkSpec


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


def test_samples_are_balanced_and_truth_comes_first() -> None:
    sample = phantom(0)
    target = sample.truth.astype(np.int16)
    target[::2] = -1
    volumes = [TrainingVolume(sample.volume, target)]
    table = sample_voxels(volumes, {0: sample.truth.astype(int)}, 90, seed=3)
    assert np.bincount(table.label).tolist() == [30, 30, 30]
    assert table.known.all(), "there is truth enough of every class"
    values = sample.truth[tuple(table.position.T)]
    assert np.array_equal(values, table.label)
    again = sample_voxels(volumes, {0: sample.truth.astype(int)}, 90, seed=3)
    assert np.array_equal(table.position, again.position)


def test_guesses_are_no_truth() -> None:
    """A target below full weight is a pseudo-label."""
    sample = phantom(0)
    target = sample.truth.astype(np.int16)
    weight = np.full(target.shape, 0.5, np.float32)
    weight[3] = 1
    volumes = [TrainingVolume(sample.volume, target, weight)]
    table = sample_voxels(volumes, {0: sample.truth.astype(int)}, 900, seed=3)
    assert np.array_equal(table.known, table.position[:, 0] == 3)


def test_features_are_those_of_their_voxels() -> None:
    sample = phantom(0, (4, 19, 21))
    spec = NetworkSpec(widths=(4, 8))
    inputs = InputSpec(("image",), 0, 0, (1.0, 1.0), ())
    card = ModelCard(
        "supervised", "sound", {}, (ModelClass(1, "a"),), inputs, spec, False, 0
    )
    model = Model(card, build_network(spec, inputs, 1))
    volumes = [TrainingVolume(sample.volume, sample.truth.astype(np.int16))]
    table = sample_voxels(volumes, {}, 30, seed=0)
    filled = extract(model, volumes, table, "dec1", torch.device("cpu"))
    assert filled.features.shape == (len(table.label), 4)
    same = extract(model, volumes, table, "dec1", torch.device("cpu"))
    assert np.array_equal(filled.features, same.features)
    assert filled.features.std() > 0


def test_a_layout_keeps_groups_apart() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.eye(3), 30, axis=0) + rng.normal(0, 0.05, (90, 3))
    layout = tsne(groups)
    assert layout.shape == (90, 2)
    found = silhouettes(groups, np.repeat([0, 1, 2], 30))
    assert found.overall > 0.8
    assert tsne(groups[:3]).shape == (3, 2)


def test_the_doubtful_slice_comes_first_and_neighbours_later() -> None:
    labels = np.zeros((6, 10, 10), np.uint8)
    labels[:, 2:8, 2:8] = 1
    confidence = np.full(labels.shape, 0.99, np.float16)
    confidence[3, 2:8, 2:8] = 0.55
    confidence[4, 2:8, 2:8] = 0.6
    confidence[0, 2:8, 2:8] = 0.7
    ranked = rank_slices({"a": (labels, confidence)}, 0, {"a": np.arange(5)})
    assert [s.index for s in ranked][:2] == [3, 0]
    assert ranked[0].class_id == 1
    assert {s.index for s in ranked} == {0, 1, 2, 3, 4}
