"""What a training of minutes works out first, and what it foresees of joining."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.proposers.guided import Guided
from napari_contrastseg.proposers.interpolation_weight import (
    InterpolationTrust,
    interpolation_trust,
)
from napari_contrastseg.recipes import recipe_named, settings_of
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.rounds import RoundInfo
from napari_contrastseg.tasks import describe, interpolation, preparation
from napari_contrastseg.tasks.interpolation import interpolated, joins_of
from napari_contrastseg.tasks.predict import Predicted
from napari_contrastseg.tasks.preparation import prepared
from napari_contrastseg.tasks.resumable import run_resumable
from napari_contrastseg.tasks.weak_labels import taught
from tests.kit.training import SMALL, a_request

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.proposers.proposer import LabelledVolume
    from napari_contrastseg.tasks.requests import TrainRequest

SAMPLE = phantom(0)
KNOWN = (0, 4, 6, 10, 15)


def asked(**changes: object) -> TrainRequest:
    target = np.full(SAMPLE.truth.shape, -1, np.int16)
    target[list(KNOWN)] = SAMPLE.truth[list(KNOWN)]
    entry = TrainingVolume(SAMPLE.volume, target)
    return a_request("recommended", entry, proposes=True, **changes)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that goes on by a second with each slice that is interpolated."""
    now = [100.0]
    exactly = Guided.probabilities

    def probabilities(self: Guided, index: int) -> NDArray[np.float32]:
        now[0] += 1
        return exactly(self, index)

    time = SimpleNamespace(perf_counter=lambda: now[0])
    for module in (interpolation, preparation):
        monkeypatch.setattr(module, "time", time)
    monkeypatch.setattr(Guided, "probabilities", probabilities)
    return now


def test_what_was_worked_out_first_is_there_when_training_begins(
    clock: list[float],
) -> None:
    request = asked()
    found = prepared(request, began=90.0)
    spent = clock[0]
    assert found.seconds == pytest.approx(spent - 90)
    opened = sum(index not in KNOWN for index in range(len(SAMPLE.truth)))
    assert spent - 100 >= opened, "weak labels of all slices between"
    labels = taught(request)
    assert labels is not None
    (helped,) = joins_of(request).values()
    unsure = np.full((3, *SAMPLE.truth.shape[1:]), 1 / 3, np.float32)
    before, after = (
        helped.join(8, unsure),
        interpolated(asked())[0].join(8, unsure),
    )
    assert clock[0] - spent == 1, "only what was asked for once more"
    assert np.allclose(before, after, atol=0.01), "kept in half precision"
    again = taught(request)
    assert again is not None, "worked out again where it is asked for twice"
    for one, other in zip(labels.volumes, again.volumes, strict=True):
        assert one.target is not None
        assert other.target is not None
        assert np.array_equal(one.target, other.target)
        assert one.weight is not None
        assert other.weight is not None
        assert np.array_equal(one.weight, other.weight), "to the last bit"


def test_what_joining_takes_is_timed_on_one_gap(clock: list[float]) -> None:
    (helped,) = interpolated(asked())
    slices = helped.open_slices()
    assert slices == [i for i in range(len(SAMPLE.truth)) if i not in KNOWN]
    start = clock[0]
    between = [i for i in slices if KNOWN[0] < i < KNOWN[-1]]
    assert helped.seconds_to_join() == pytest.approx(len(slices) + len(between)), (
        "gaps in which the network is compared are worked out twice"
    )
    assert clock[0] - start < len(slices), "not on all of them"


def test_a_forecast_works_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(preparation, "teach_ahead", never)
    request = asked()
    budget = replace(request.budget, minutes=1.0)
    *_, words = describe.forecast(replace(request, budget=budget))
    assert "network" in str(words)


@pytest.mark.parametrize("keep", [True, False])
def test_a_round_interpolates_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: bool
) -> None:
    counted = []

    def weighed(known: LabelledVolume) -> InterpolationTrust:
        counted.append(known)
        return interpolation_trust(known)

    monkeypatch.setattr(interpolation, "interpolation_trust", weighed)
    settings = replace(
        settings_of(recipe_named("recommended"), "sound"), network=SMALL, batch=2
    )
    request = asked(settings=settings, budget=Budget(minutes=0.02))
    info = RoundInfo(1, "recommended", len(KNOWN), 0.0)
    folder = tmp_path / "run" if keep else None
    events = list(run_resumable(request, folder, info, propose=True))
    assert any(isinstance(event, Predicted) and event.joined for event in events)
    assert len(counted) == 1
