"""How minutes are spent: by a pace that the test sets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from napari_contrastseg.learning.plan.pace import Pace, Workload
from napari_contrastseg.learning.plan.stage import Budget, StageLength
from napari_contrastseg.tasks.describe import describe
from napari_contrastseg.tasks.resolve import resolve
from napari_contrastseg.tasks.time_plan import Preparation
from tests.kit.requests import FEW, SHAPE, SPARSE, model, of, request

if TYPE_CHECKING:
    from napari_contrastseg.tasks.resolved import ResolvedTraining

TWO, NOTHING = Budget(minutes=2), Preparation()
#: Rows and columns of a slice, voxels of the volume.
PLANE, VOXELS = 24 * 28, 20 * 24 * 28


def at(
    step: float,
    prediction: float = 0.0,
    preparation: Preparation = NOTHING,
    **changes: Any,
) -> ResolvedTraining:
    """Resolve where a step from few slices and a prediction take so many seconds."""
    asked = request(volumes=FEW, budget=TWO, proposes=True)
    pixels = 3.0 * VOXELS  # with slices mirrored both ways
    pace = Pace(16 * PLANE / step, pixels / prediction if prediction else 1e12)
    return resolve(
        replace(asked, **changes),
        on_cpu=True,
        measure=lambda _: pace,
        prepare=lambda: preparation,
    )


def minutes(run: ResolvedTraining) -> list[list[float | None]]:
    """List the minutes of each stage of each network."""
    return [
        [length.minutes for length in part.budget.lengths(part.stages)]
        for part in run.axes
    ]


def test_the_batch_that_will_be_trained_is_what_is_timed() -> None:
    timed: list[Workload] = []

    def measure(work: Workload) -> Pace:
        timed.append(work)
        return Pace(1e6, 1e6)

    asked = request(volumes=FEW)
    resolve(asked, on_cpu=True, measure=measure)
    assert not timed, "where steps are asked for nothing is measured"
    resolve(replace(asked, budget=TWO), on_cpu=True, measure=measure)
    network = asked.settings.network
    assert timed == [Workload(network, 5, 2, 16, *SHAPE[1:])]


def test_pretraining_without_steps_gives_its_time_to_the_labels() -> None:
    """A tenth of fine-tuning's time; a step takes 0.65 of two views' of 16 slices."""
    ten_seconds = 120 * 0.1 / 1.2
    assert 75 < ten_seconds / (0.1 * 1.3) < 90
    fast = at(0.1)
    assert minutes(fast)[0] == pytest.approx([1 / 6, 1 / 6, 5 / 3])
    assert not fast.axes[0].notes
    slow = at(0.2)
    assert minutes(slow)[0] == pytest.approx([0, 2 / 11, 20 / 11])
    (note,) = slow.axes[0].notes
    assert note.startswith("No time for 'global contrast', which is left out: its 10 ")
    assert "hold 38 steps" in note
    assert slow.axes[0].stages[0].name == "global contrast", (
        "a run that goes on finds its stage by number"
    )


def test_slices_without_labels_leave_the_labels_their_steps() -> None:
    """A step takes longer with them, and from a few steps they teach nothing true."""
    settings = replace(request().settings, evidence_from=1)
    fast, slow = (at(step, settings=settings).axes[0] for step in (0.05, 0.4))
    assert fast.stages[-1].unlabelled_view is not None
    assert slow.stages[-1].unlabelled_view is None
    assert any("learns from labels alone" in note for note in slow.notes)
    assert not any("learns from labels alone" in note for note in fast.notes)
    too_few_to_guess = at(1.0).axes[0]
    assert not any("labels alone" in note for note in too_few_to_guess.notes)
    steps = Budget(steps=20)
    asked = at(0.4, settings=settings, budget=steps).axes[0]
    assert asked.stages[-1].unlabelled_view is not None, "no minutes were given"


def test_a_stage_whose_length_was_asked_for_stays() -> None:
    asked = Budget(minutes=2, stages=(StageLength("global contrast", 10),))
    run = at(0.2, budget=asked)
    assert not run.axes[0].left_out
    assert not at(10.0, purposes=("pretrain",)).axes[0].left_out


def test_minutes_end_with_the_answer() -> None:
    run = at(0.1, prediction=12.0)
    assert sum(m or 0 for m in minutes(run)[0]) == pytest.approx(2 - 12 / 60)
    assert run.prediction_seconds == pytest.approx(12)
    only_trains = at(0.1, prediction=12.0, proposes=False)
    assert sum(m or 0 for m in minutes(only_trains)[0]) == pytest.approx(2)
    endless = at(0.1, prediction=500.0)
    assert sum(m or 0 for m in minutes(endless)[0]) == pytest.approx(1)


def test_minutes_hold_what_comes_before_training_and_what_joins_the_answer() -> None:
    joined = at(0.1, prediction=12.0, preparation=Preparation(10.0, 5.0))
    spent = sum(m or 0 for m in minutes(joined)[0])
    assert spent == pytest.approx(2 - (10 + 12 + 5) / 60)
    assert joined.prediction_seconds == pytest.approx(12 + 5)
    three = at(0.01, 1.0, Preparation(10.0, 5.0), volumes=SPARSE)
    spent = sum(m or 0 for part in minutes(three) for m in part)
    once_each = (1 + 2 + 3) * 1 + (1 + 1 + 1) * 5
    assert spent == pytest.approx(2 - (10 + once_each) / 60)


def test_nothing_is_worked_out_ahead_where_steps_are_asked_for() -> None:
    def prepare() -> Preparation:
        raise AssertionError

    resolve(request(volumes=FEW), on_cpu=True, prepare=prepare)


@pytest.mark.parametrize(("step", "networks"), [(0.05, 3), (0.1, 1)])
def test_further_networks_begin_where_all_get_steps_enough(
    step: float, networks: int
) -> None:
    """250 steps each, of 16 slices with labels, 8 without, and a teacher's look."""
    each = step * (16 + 8 * 4 / 3) / 16
    assert (3 * 250 * each <= 120) == (networks == 3)
    run = at(step, volumes=SPARSE)
    assert len(run.axes) == networks


def test_networks_that_complete_labels_do_so_within_the_minutes() -> None:
    """The second waits for one prediction, the third for two, the answer for three."""
    run = at(0.01, prediction=5.0, volumes=SPARSE)
    spent = sum(m or 0 for part in minutes(run) for m in part)
    assert spent == pytest.approx(2 - (1 + 2 + 3) * 5 / 60)
    assert len(at(0.05, prediction=10.0, volumes=SPARSE).axes) == 1


def test_the_plan_is_said_before() -> None:
    assert describe(at(0.2, prediction=12.0)) == (
        "1 network, about 2 minutes: some 540 steps, then about 12 seconds of "
        "prediction; stage 'global contrast' is left out because its time would hold "
        "34 steps and it needs 75; the other axes are left out because they need 4 "
        "labelled slices (there are 3)."
    )


def test_a_later_round_has_no_pretraining_to_leave_out() -> None:
    run = at(0.2, start=model())
    assert minutes(run)[0] == pytest.approx([2])
    assert not run.axes[0].left_out


def test_coarser_pixels_are_predicted_sooner() -> None:
    asked = of(request(volumes=FEW), coarser=2.0)
    run = at(0.1, prediction=12.0, settings=asked.settings)
    assert run.prediction_seconds == pytest.approx(3)
