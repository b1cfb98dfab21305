"""Stages have lengths, and share a budget."""

from __future__ import annotations

import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.plan.stage import Budget, StageLength
from tests.kit.stages import a_stage


def test_stages_have_lengths_of_their_own() -> None:
    stages = (a_stage("a", share=1.0), a_stage("b", share=3.0), a_stage("c", steps=7))
    own = (StageLength("b", 5),)
    assert Budget(stages=own).lengths(stages) == (
        StageLength("a", 10),
        StageLength("b", 5),
        StageLength("c", 7),
    )
    assert Budget(steps=2, stages=own).lengths(stages)[2] == StageLength("c", 2)
    timed = Budget(minutes=4.0, stages=(StageLength("a", minutes=0.5),))
    minutes = [length.minutes for length in timed.lengths(stages)]
    assert minutes == [0.5, 3.0, 1.0]
    every = tuple(StageLength(stage.name, 1) for stage in stages)
    assert Budget(minutes=4.0, stages=every).lengths(stages) == every
    with pytest.raises(InputError, match=r"no stage 'd' here; there are: a, b, c\."):
        Budget(stages=(StageLength("d", 1),)).check(stages)


def test_epochs_become_steps_where_the_slices_are_known() -> None:
    stages = (a_stage("a"), a_stage("b"))
    asked = (StageLength("a", epochs=1.5), StageLength("b", minutes=1.0))
    budget = Budget(stages=asked).in_steps(lambda _: 5.0, stages)
    assert budget.stages == (StageLength("a", 8), StageLength("b", minutes=1.0))
    short = (StageLength("a", epochs=0.01), StageLength("gone", epochs=2.0))
    left = Budget(stages=short).in_steps(lambda _: 5.0, stages)
    assert left.stages == (StageLength("a", 1), short[1])


def test_minutes_are_shared() -> None:
    """A budget of minutes is that of all networks; one of steps, of each."""
    budget = Budget(
        minutes=3, stages=(StageLength("a", minutes=6), StageLength("b", 5))
    )
    third = budget.part(1 / 3)
    assert third.minutes == 1
    assert third.stages == (StageLength("a", minutes=2), StageLength("b", 5))
    assert Budget(steps=9).part(1 / 3) == Budget(steps=9)


def test_stages_without_a_share_are_left_out() -> None:
    stages = (a_stage("a", share=0.0), a_stage("b", share=0.0))
    assert [x.minutes for x in Budget(minutes=2).lengths(stages)] == [0, 0]
