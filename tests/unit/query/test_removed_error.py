from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.query.removed_error import by_removed_error
from napari_contrastseg.query.strategy import PoolVolume


def volume(count: int, *settled: int) -> PoolVolume:
    return PoolVolume(count, np.setdiff1d(np.arange(count), settled))


def order(pool: PoolVolume, wrong: np.ndarray, most: int = 500) -> list[int]:
    return [index for index, _ in by_removed_error(pool, wrong, most)]


def test_without_doubt_slices_come_from_the_middle_of_the_widest_gap() -> None:
    pool = volume(41, 0, 20, 24, 40)

    first = order(pool, np.zeros(41), 2)

    assert sorted(first) == [10, 32]


def test_with_nothing_settled_the_middle_comes_first() -> None:
    assert order(volume(21), np.zeros(21))[0] == 10
    assert sorted(order(volume(6), np.zeros(6))) == list(range(6))


def test_each_open_slice_comes_once() -> None:
    wrong = np.random.default_rng(0).random(30)

    found = order(volume(30, 3, 4, 17), wrong)

    assert sorted(found) == sorted(set(range(30)) - {3, 4, 17})


def test_a_slice_beside_many_doubtful_ones_is_worth_more_than_a_lone_one() -> None:
    wrong = np.zeros(60)
    wrong[10] = 30.0  # alone in its gap
    wrong[30:50] = 10.0
    pool = volume(60, 0, 20, 29, 50, 59)

    assert 35 <= order(pool, wrong)[0] <= 44


def test_what_goes_is_the_slices_own_error_and_a_part_of_its_neighbours() -> None:
    """Between 0 and 4: reach 3/4, 1, 3/4; with the middle settled 1/2, 0, 1/2."""
    wrong = np.array([0.0, 6.0, 9.0, 6.0, 0.0])

    (index, worth), *_ = by_removed_error(volume(5, 0, 4), wrong, 1)

    assert index == 2
    assert worth == pytest.approx(9 + 2 * 6 * (1 - 2 / 3), abs=0.01)


def test_no_more_than_asked_for() -> None:
    assert len(order(volume(100), np.ones(100), 7)) == 7
