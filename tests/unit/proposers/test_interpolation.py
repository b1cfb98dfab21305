from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.proposers import proposer_named
from napari_contrastseg.proposers.interpolation import interpolated
from napari_contrastseg.proposers.knot import Knot, whole_slices

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.proposers.proposer import Answer, LabelledVolume

    Labelled = Callable[..., LabelledVolume]

PROPOSER = proposer_named("interpolation")


def proposed(volume: LabelledVolume) -> Answer:
    answer = PROPOSER.propose(volume)
    assert answer is not None
    return answer


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_a_ball_is_found_between_five_of_its_slices(
    labelled: Labelled, ball: np.ndarray
) -> None:
    slices = [4, 10, 16, 22, 30, 36]
    answer = proposed(labelled(ball, slices))

    found = np.stack([answer.probabilities(z).argmax(0) for z in range(40)])

    open_slices = np.setdiff1d(np.arange(40), slices)
    for value in (1, 2):
        assert dice(found[open_slices] == value, ball[open_slices] == value) > 0.93


def test_probabilities_sum_to_one_at_every_pixel(
    labelled: Labelled, ball: np.ndarray
) -> None:
    answer = proposed(labelled(ball, [10, 20, 26]))

    for index in (0, 10, 13, 25, 33):
        values = answer.probabilities(index)
        assert values.shape == (3, 48, 50)
        assert values.dtype == np.float32
        assert (values >= 0).all()
        np.testing.assert_allclose(values.sum(0), 1, atol=1e-5)


def test_what_is_known_is_answered_exactly(
    labelled: Labelled, ball: np.ndarray
) -> None:
    volume = labelled(ball, [10, 28])
    volume.truth[20, 3:6, 3:6] = 2
    volume.truth[20, 24, 20:30] = 0
    answer = proposed(volume)

    assert (answer.probabilities(10).argmax(0) == ball[10]).all()
    assert answer.probabilities(10).max(0).min() == 1
    between = answer.probabilities(20)
    assert (between[2, 3:6, 3:6] == 1).all()
    assert (between[0, 24, 20:30] == 1).all()


def test_no_gap_opens_between_classes_that_touch(labelled: Labelled) -> None:
    y, x = np.mgrid[:40, :60]
    inside = (np.abs(y - 20) < 12) & (np.abs(x - 30) < 20)
    borders = {0: 14, 8: 44, 16: 20}
    labels = np.zeros((17, 40, 60), int)
    for index, border in borders.items():
        labels[index] = np.where(inside, np.where(x < border, 1, 2), 0)

    answer = proposed(labelled(labels, list(borders)))

    for index in range(17):
        assert (answer.probabilities(index)[0][inside] < 0.5).all()


def test_beyond_the_outermost_slices_the_answer_fades(
    labelled: Labelled, ball: np.ndarray
) -> None:
    answer = proposed(labelled(ball, [16, 20, 24]))

    middle = [float(answer.probabilities(z)[1:, 24, 25].sum()) for z in range(24, 40)]

    assert middle == sorted(middle, reverse=True)
    assert middle[1] > 0.5
    assert middle[-1] < 0.5
    assert middle[-1] > 0.25  # not surely background either


def test_a_structure_goes_on_to_the_end_where_a_slice_more_is_left(
    labelled: Labelled,
) -> None:
    """Of ten thick slices two in the middle are labelled: the rest has hearts, too."""
    tube = np.zeros((10, 32, 32), np.int16)
    tube[:, 10:22, 10:22] = 1

    there = proposed(labelled(tube, [3, 6])).probabilities
    shorter = proposed(labelled(tube, [3, 5])).probabilities

    assert all(there(z)[1, 16, 16] > 0.5 for z in (0, 1, 2, 7, 8, 9))
    assert all(shorter(z)[1, 16, 16] > 0.5 for z in (0, 1, 2))
    assert shorter(9)[1, 16, 16] < 0.5  # two slices more: it may as well end


def test_behind_a_slice_left_empty_there_is_nothing(
    labelled: Labelled, ball: np.ndarray
) -> None:
    answer = proposed(labelled(ball, [4, 12, 20, 28, 36]))

    assert (answer.probabilities(38)[0] > 0.95).all()
    assert (answer.probabilities(1)[0] > 0.95).all()


def test_the_core_is_not_surely_gone_before_the_empty_slice(
    labelled: Labelled, ball: np.ndarray
) -> None:
    """A small structure halfway to the slice that lacks it is still likely there."""
    small = ball.copy()
    small[:, :20] = small[:, 29:] = 0
    answer = proposed(labelled(small, [4, 14, 20, 26, 36]))

    assert answer.probabilities(9)[0, 24, 25] < 0.5
    assert answer.probabilities(31)[0, 24, 25] < 0.5


def test_a_structure_that_moves_further_than_its_size_is_followed(
    labelled: Labelled,
) -> None:
    z, y, x = np.ogrid[:21, :40, :80]
    labels = ((y - 20) ** 2 + (x - 20 - 2 * z) ** 2 <= 8**2).astype(int)
    answer = proposed(labelled(labels, [0, 10, 20]))

    found = answer.probabilities(5).argmax(0)

    assert dice(found == 1, labels[5] == 1) > 0.7


def test_doubt_grows_with_the_distance_to_labels(
    labelled: Labelled, ball: np.ndarray
) -> None:
    answer = interpolated(volume := labelled(ball, [10, 20, 30]), whole_slices(volume))
    assert answer is not None

    variances = [answer.variance(index) for index in range(10, 21)]

    assert variances[0] == variances[-1] == min(variances)
    assert np.argmax(variances) == 5
    assert answer.variance(39) > answer.variance(33) > answer.variance(31)


def test_a_slice_completed_from_strokes_is_less_sure_than_a_whole_one(
    labelled: Labelled, ball: np.ndarray
) -> None:
    volume = labelled(ball, [10, 30])
    knots = [Knot(10, ball[10]), Knot(20, ball[20], variance=16), Knot(30, ball[30])]
    weak = interpolated(volume, knots)
    strong = interpolated(volume, [Knot(k.index, k.labels) for k in knots])
    assert weak is not None
    assert strong is not None

    for index in (18, 20, 23):
        ours, other = weak.probabilities(index), strong.probabilities(index)
        assert ours.max(0).mean() < other.max(0).mean()
    assert (weak.probabilities(20).argmax(0) == ball[20]).mean() > 0.98


def test_only_wholly_known_slices_are_gone_through(
    labelled: Labelled, ball: np.ndarray
) -> None:
    volume = labelled(ball, [3, 9])
    volume.truth[5, :, :10] = 0
    volume.truth[9, 0, 0] = -2

    assert [knot.index for knot in whole_slices(volume)] == [3]


@pytest.mark.parametrize("slices", [[], [0, 1]])
def test_nothing_is_proposed_without_a_labelled_structure(
    labelled: Labelled, ball: np.ndarray, slices: list[int]
) -> None:
    assert PROPOSER.propose(labelled(ball, slices)) is None


def test_unrelated_pictures_are_not_interpolated(
    labelled: Labelled, ball: np.ndarray
) -> None:
    assert PROPOSER.propose(labelled(ball, [10, 20], related=False)) is None


def test_one_labelled_slice_is_carried_to_its_neighbours(
    labelled: Labelled, ball: np.ndarray
) -> None:
    answer = proposed(labelled(ball, [20]))

    found = answer.probabilities(21).argmax(0)

    assert dice(found == 1, ball[21] == 1) > 0.9


def test_a_large_slice_is_worked_with_coarsely_and_answered_finely(
    labelled: Labelled,
) -> None:
    z, y, x = np.ogrid[:9, :700, :600]
    labels = ((y - 350) ** 2 + (x - 300) ** 2 <= (200 + 5 * z) ** 2).astype(int)
    answer = proposed(labelled(labels, [0, 8]))

    found = answer.probabilities(4).argmax(0)

    assert found.shape == (700, 600)
    assert dice(found == 1, labels[4] == 1) > 0.99
