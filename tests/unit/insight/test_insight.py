"""Silhouettes, feature table, layout, and which slice comes next."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_contrastseg.insight.features import extract
from napari_contrastseg.insight.layout import carry_over, frames
from napari_contrastseg.insight.silhouettes import (
    adjusted,
    possibly_mislabelled,
    silhouettes,
)
from napari_contrastseg.insight.slice_scores import (
    reliability,
    score_slices,
    true_dice,
)
from napari_contrastseg.insight.table import (
    FeatureTable,
    LabelKind,
    match,
    sample_voxels,
)
from napari_contrastseg.learning.data.input_spec import InputSpec
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.models.card import ModelCard, ModelClass
from napari_contrastseg.learning.models.model import Model, build_network
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.samples.samples import phantom


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


def everything(
    volumes: list[TrainingVolume], count: int, seed: int = 3, **about: object
) -> FeatureTable:
    """A sample of all slices."""
    guesses = about.get("guesses")
    return sample_voxels(volumes, 0, count, 10**9, seed, guesses)  # type: ignore[arg-type]


def test_half_the_sample_is_labelled_and_every_class_alike() -> None:
    sample = phantom(0)
    target = sample.truth.astype(np.int16)
    target[::2] = -1
    volumes = [TrainingVolume(sample.volume, target)]
    guesses = {sample.volume.id: sample.truth}
    table = everything(volumes, 180, guesses=guesses)
    for kind, part in ((LabelKind.TRUTH, 2 / 3), (LabelKind.UNLABELLED, 1 / 3)):
        mine = table.label[table.kind == kind]
        assert np.bincount(mine).tolist() == [180 * part / 3] * 3
    values = sample.truth[tuple(table.position.T)]
    assert np.array_equal(values, table.label)
    assert np.array_equal(table.known, table.position[:, 0] % 2 == 1)
    again = everything(volumes, 180, guesses=guesses)
    assert np.array_equal(table.position, again.position)
    bare = everything(volumes, 180)
    assert set(bare.label[~bare.known].tolist()) == {-1}
    other = everything(volumes, 180, seed=4)
    assert not np.array_equal(bare.position, other.position)


def test_few_voxels_of_a_kind_leave_their_place_to_others() -> None:
    sample = phantom(0)
    target = np.full(sample.truth.shape, -1, np.int16)
    target[4, 5, 5:9] = 1
    target[4, 6, 5:9] = 0
    table = everything([TrainingVolume(sample.volume, target)], 100)
    assert len(table) == 100
    assert table.known.sum() == 8


def test_guesses_are_no_truth() -> None:
    """A target below full weight is a pseudo-label; without weight it is nothing."""
    sample = phantom(0)
    target = sample.truth.astype(np.int16)
    weight = np.full(target.shape, 0.5, np.float32)
    weight[3], weight[4:] = 1, 0
    table = everything([TrainingVolume(sample.volume, target, weight)], 900)
    assert np.array_equal(table.known, table.position[:, 0] == 3)
    pseudo = table.kind == LabelKind.PSEUDO
    assert np.array_equal(pseudo, table.position[:, 0] < 3)
    assert (table.label[table.kind == LabelKind.UNLABELLED] == -1).all()


def test_the_sample_stays_when_labels_are_added() -> None:
    sample = phantom(0)
    target = np.full(sample.truth.shape, -1, np.int16)
    target[::4] = sample.truth[::4]
    more = target.copy()
    more[6] = sample.truth[6]
    before = everything([TrainingVolume(sample.volume, target)], 300)
    after = everything([TrainingVolume(sample.volume, more)], 300)
    here, there = match(before, after)
    assert len(here) > 150
    assert np.array_equal(before.position[here], after.position[there])
    elsewhere = phantom(1)
    strange = everything([TrainingVolume(elsewhere.volume, target)], 300)
    renamed = replace(strange, names=("another",))
    assert len(match(before, renamed)[0]) == 0


def test_few_slices_are_read() -> None:
    """No more pixels than allowed, but one slice of each sort at least."""
    sample = phantom(0)
    target = np.full(sample.truth.shape, -1, np.int16)
    target[::2] = sample.truth[::2]
    volumes = [TrainingVolume(sample.volume, target)]
    area = target[0].size
    table = sample_voxels(volumes, 0, 200, 4 * area, 0)
    assert len(np.unique(table.position[:, 0])) == 4
    least = sample_voxels(volumes, 0, 200, 1, 0)
    assert len(np.unique(least.position[:, 0])) == 2
    assert least.known.any()
    assert not least.known.all()
    across = sample_voxels(volumes, 2, 200, 10**9, 0)
    truth = target[tuple(across.position.T)]
    assert np.array_equal(truth[across.known], across.label[across.known])


def test_nothing_labelled_and_nothing_at_all() -> None:
    sample = phantom(0)
    table = everything([TrainingVolume(sample.volume)], 50)
    assert len(table) == 50
    assert not table.known.any()
    assert everything([], 50).position.shape == (0, 3)


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
    first, second, *rest = possibly_mislabelled(table, scores, 0)
    assert {(s.index, s.label, s.looks_like) for s in (first, second)} == {
        (5, 1, 2),
        (5, 2, 1),
    }
    assert first.silhouette < -0.5
    assert all(table.position[list(first.rows), 0] == 5)
    assert all(s.silhouette > second.silhouette for s in rest if len(s.rows) > 2)


def test_features_are_those_of_their_voxels() -> None:
    sample = phantom(0, (4, 19, 21))
    spec = NetworkSpec(widths=(4, 8))
    inputs = InputSpec(("image",), 0, 0, (1.0, 1.0), ())
    card = ModelCard(
        "supervised", "sound", {}, (ModelClass(1, "a"),), inputs, spec, False, 0
    )
    model = Model(card, build_network(spec, inputs, 1))
    volumes = [TrainingVolume(sample.volume, sample.truth.astype(np.int16))]
    table = everything(volumes, 30)
    filled = extract(model, volumes, table, "dec1", torch.device("cpu"))
    assert filled.features.shape == (len(table.label), 4)
    same = extract(model, volumes, table, "dec1", torch.device("cpu"))
    assert np.array_equal(filled.features, same.features)
    assert filled.features.std() > 0


def test_a_layout_keeps_groups_apart() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.eye(3), 30, axis=0) + rng.normal(0, 0.05, (90, 3))
    *_, last = frames(groups)
    assert last.shown.shape == (90, 2)
    found = silhouettes(groups, np.repeat([0, 1, 2], 30))
    assert found.overall > 0.8


def test_expected_dice_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (4, 9, 9)).astype(np.uint8)
    sure = (rng.integers(50, 101, labels.shape) / 100).astype(np.float16)
    labels[3], sure[3] = 0, 1
    found = score_slices(labels, sure, 0).dice(np.arange(101) / 100)
    for mask, p, dice in zip(labels[:3], sure[:3].astype(float), found, strict=False):
        right = p[mask > 0].sum()
        there = right + (1 - p[mask == 0]).sum()
        assert dice == pytest.approx(2 * right / ((mask > 0).sum() + there), abs=2e-3)
    assert np.isnan(found[3])


def test_confidence_is_corrected_by_what_was_checked() -> None:
    """A network that says .9 and is right half of the time is not believed."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (8, 20, 20))
    labels = np.where(rng.random(truth.shape) < 0.5, truth, 1 - truth)
    sure = np.full(truth.shape, 0.9)
    few = reliability(zip(labels[:2], sure, truth, strict=False))
    assert few.slices == 0
    assert few.right == pytest.approx(np.arange(101) / 100)
    trust = reliability(zip(labels, sure, truth, strict=True))
    assert trust.slices == 8
    assert trust.right[90] == pytest.approx(0.5, abs=0.03)
    assert (np.diff(trust.right) >= 0).all()
    assert trust.off < 0.05
    scores = score_slices(labels, sure, 0)
    believed = scores.dice(few.right)
    pairs = zip(labels, truth, strict=True)
    real = np.array([true_dice(m, t) for m, t in pairs], float)
    corrected = scores.dice(trust.right)
    assert np.abs(corrected - real).mean() < np.abs(believed - real).mean() / 5


def test_dice_needs_foreground_and_known_truth() -> None:
    nothing = np.zeros((3, 3), int)
    assert true_dice(nothing, nothing) is None
    assert true_dice(nothing, nothing - 1) is None
    assert true_dice(nothing + 1, nothing + 1) == 1
    assert true_dice(nothing + 1, nothing + 2) == 0
