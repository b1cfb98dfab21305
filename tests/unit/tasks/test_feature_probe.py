"""Watching a network learn changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from napari_contrastseg.insight.features import Extractor
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.tasks.feature_probe import (
    MOST_OF_TIME,
    FeatureProbe,
    Probed,
    watching,
)
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train
from tests.kit import golden


@pytest.mark.parametrize(
    "name",
    [
        "supervised",
        "chaitanya2020",
        pytest.param("mean_teacher", marks=pytest.mark.slow),
    ],
)
def test_being_watched_changes_nothing(name: str) -> None:
    """Weights, losses and random numbers are those of a training nobody looks at."""
    request = golden.request(name, steps=4)
    probe = FeatureProbe(count=60, seconds=0.0)
    events: list[Any] = list(
        watching(train(resolve_here(request)), request, probe, clock=lambda: 0.0)
    )
    looks = [e for e in events if isinstance(e, Probed)]
    assert len(looks) >= 3
    assert [e.number for e in looks] == list(range(1, len(looks) + 1))
    first, last = looks[0].table, looks[-1].table
    assert np.array_equal(first.position, last.position)
    assert not np.array_equal(first.features, last.features), "it learns"
    rest = [e for e in events if not isinstance(e, Probed)]
    plain: list[Any] = list(train(resolve_here(request)))
    assert [type(e) for e in rest] == [type(e) for e in plain]
    mine, theirs = (e[0].model.network.state_dict() for e in (rest, plain))
    assert all(torch.equal(mine[k], theirs[k]) for k in mine)


def test_another_map_of_the_network_is_read() -> None:
    request = golden.request("supervised", steps=2)
    widths = {}
    for tap in (None, "bottleneck"):
        probe = FeatureProbe(count=60, seconds=0.0, tap=tap)
        events: list[Any] = list(
            watching(train(resolve_here(request)), request, probe, clock=lambda: 0.0)
        )
        network = events[0].model.network
        read = next(e.table.features for e in events if isinstance(e, Probed))
        assert np.isfinite(read).all()
        assert read.shape == (60, network.taps[probe.tap_of(events[0].model)])
        widths[tap] = read.shape[1]
    assert widths[None] < widths["bottleneck"]


def test_a_look_that_fails_ends_the_looking_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(Extractor, "reading", fail)
    request = golden.request("supervised", steps=4)
    probe = FeatureProbe(count=60, seconds=0.0)
    events: list[Any] = list(
        watching(train(resolve_here(request)), request, probe, clock=lambda: 0.0)
    )
    assert not any(isinstance(e, Probed) for e in events)
    assert [type(e) for e in events] == [type(e) for e in train(resolve_here(request))]


def test_without_labels_unlabelled_voxels_are_looked_at() -> None:
    request = golden.request("simclr", steps=3)
    bare = tuple(TrainingVolume(v.volume) for v in request.volumes)
    request = replace(request, volumes=bare, purposes=("pretrain",))
    probe = FeatureProbe(count=60, seconds=0.0)
    events: list[Any] = list(
        watching(train(resolve_here(request)), request, probe, clock=lambda: 0.0)
    )
    looks = [e for e in events if isinstance(e, Probed)]
    assert looks
    assert not looks[0].table.known.any()


def test_a_pause_is_no_look() -> None:
    """However long whoever gets a look keeps it, the next comes in time."""
    request = golden.request("supervised", steps=15)
    now = [0.0]

    def clock() -> float:
        now[0] += 0.01
        return now[0]

    looks = 0
    for event in watching(
        train(resolve_here(request)), request, FeatureProbe(20, 0.1), clock=clock
    ):
        if isinstance(event, Probed):
            looks += 1
            now[0] += 1000.0
    assert looks > 1


def test_looks_take_a_small_part_of_the_time() -> None:
    """A look that takes long is long in coming again."""
    request = golden.request("supervised", steps=30)
    now = [0.0]

    def clock() -> float:
        now[0] += 0.25  # a step takes one reading, a look two more
        return now[0]

    probe = FeatureProbe(count=20, seconds=0.5)
    events = list(watching(train(resolve_here(request)), request, probe, clock=clock))
    looks = sum(isinstance(e, Probed) for e in events)
    assert 1 < looks <= 1 + 30 * 0.25 / (0.25 / MOST_OF_TIME)
