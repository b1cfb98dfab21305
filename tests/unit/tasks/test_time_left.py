"""Estimates of the time that is left."""

from __future__ import annotations

import pytest

from napari_contrastseg.learning.data.view import View
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.tasks.time_left import Estimate, WithPrediction
from tests.kit.stages import a_stage


def test_the_seconds_left_follow_the_pace() -> None:
    first = a_stage("a", view=View("all", 4, copies=2))
    second = a_stage("b", view=View("labelled", 6), steps=20)
    estimate = Estimate((first, second), Budget())
    slices, now, seconds_per_slice = (80, 120), 100.0, 0.05
    fractions = []
    for number, (stage, total) in enumerate(zip((first, second), slices, strict=True)):
        for step in range(1, stage.steps + 1):
            now += seconds_per_slice * total / stage.steps
            fraction, left = estimate.after(step / stage.steps, now)
            fractions.append(fraction)
            done = sum(slices[:number]) + total * step / stage.steps
            assert fraction == pytest.approx(done / 200)
            if step > 1:
                assert left == pytest.approx(seconds_per_slice * (200 - done))
        estimate.next_stage()
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)


def test_the_seconds_left_of_minutes_are_known() -> None:
    stages = (a_stage("a", share=1.0), a_stage("b", share=3.0))
    estimate = Estimate(stages, Budget(minutes=4.0))
    assert estimate.after(0.25, 7.0) == pytest.approx((0.0625, 225.0))
    assert estimate.after(1.0, 70.0) == pytest.approx((0.25, 180.0))
    estimate.next_stage()
    assert estimate.after(0.5, 71.0) == pytest.approx((0.625, 90.0))


def test_the_seconds_left_hold_the_prediction_that_follows() -> None:
    """A run that takes twice as long as was thought predicts twice as long too."""
    after = WithPrediction(training=100.0, prediction=10.0)
    assert after.left(0.0, None) is None
    assert after.left(0.0, 100.0) == pytest.approx(110)
    assert after.left(0.5, 100.0) == pytest.approx(120)
    assert after.left(1.0, 0.0) == pytest.approx(20)
