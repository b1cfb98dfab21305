"""How many threads compute: chosen by the time that steps take."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from napari_contrastseg.learning.runtime.threads import (
    EVERY,
    MeasuredThreads,
    numbers_to_try,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("most", "cores", "numbers"),
    [
        (16, 16, (16, 15, 8, 1)),
        (15, 16, (15, 8, 1)),
        (2, 2, (2, 1)),
        (1, 2, (1,)),
        (1, 1, (1,)),
        (3, 4, (3, 2, 1)),
        (5, 16, (5, 1)),
    ],
)
def test_all_all_but_one_half_and_one_are_compared(
    most: int, cores: int, numbers: tuple[int, ...]
) -> None:
    assert numbers_to_try(most, cores) == numbers


class Computer:
    """Takes steps whose time depends on the number of threads."""

    def __init__(self, numbers: tuple[int, ...]) -> None:
        self.threads = numbers[0]
        self.choice = MeasuredThreads(numbers, self._use)
        self.used: Counter[int] = Counter()

    def _use(self, threads: int) -> None:
        self.threads = threads

    def train(self, seconds: float, cost: Callable[[int], float]) -> None:
        while seconds > 0:
            self.used[self.threads] += 1
            took = cost(self.threads)
            seconds -= took
            self.choice.after(took)


def idle(threads: int) -> float:
    return 0.2 / threads


def beside_a_busy_program(threads: int) -> float:
    return 0.2 if threads == 1 else 0.9


def test_the_fastest_number_is_kept_and_follows_what_else_runs() -> None:
    computer = Computer((2, 1))
    computer.train(10, idle)
    assert (computer.threads, computer.choice.best) == (2, 2)
    computer.train(3 * EVERY, beside_a_busy_program)
    assert computer.choice.best == 1
    computer.train(3 * EVERY, idle)
    assert computer.choice.best == 2


def test_comparing_costs_few_steps() -> None:
    """Each number is seen again and again, yet nearly all steps are the fastest's."""
    computer = Computer((16, 15, 8, 1))
    computer.train(200, idle)
    assert set(computer.used) == {16, 15, 8, 1}
    time = {n: count * idle(n) for n, count in computer.used.items()}
    assert time[16] > 0.93 * sum(time.values())


def test_long_steps_are_compared_less_often() -> None:
    """Of a step of many seconds some dozen would be a comparison every time."""
    computer = Computer((2, 1))
    computer.train(2000, lambda threads: 10.0 / threads)
    assert computer.used[1] * 10 < 0.2 * 2000


def test_a_small_difference_changes_nothing() -> None:
    computer = Computer((2, 1))
    computer.train(200, lambda threads: 0.2 if threads == 2 else 0.19)
    assert computer.choice.best == 2


def test_a_number_far_behind_is_given_up_after_a_step() -> None:
    computer = Computer((4, 1))
    computer.train(9, lambda threads: 0.1 if threads == 4 else 0.9)
    assert computer.used[1] == 2


def test_where_there_is_one_number_it_is_left_alone() -> None:
    touched: list[int] = []
    choice = MeasuredThreads((1,), touched.append)
    for _ in range(100):
        choice.after(1.0)
    assert not touched


def test_a_core_is_left_to_a_person_and_taken_back() -> None:
    free = 2
    used: list[int] = []
    choice = MeasuredThreads((2, 1), used.append, most=lambda: free)
    for _ in range(12):
        choice.after(0.1)
    assert choice.best == 2
    free = 1
    choice.after(0.1)
    assert used[-1] == 1
    free = 2
    choice.after(0.2)
    assert used[-1] == 2
    assert choice.best == 2


def test_steps_cut_short_by_a_person_are_not_compared() -> None:
    free = 1
    used = [2]
    choice = MeasuredThreads((2, 1), used.append, most=lambda: free)
    for _ in range(20):  # two threads would look slow if these were theirs
        choice.after(0.2)
    free = 2
    while choice.best == 2 and len(used) < 40:
        choice.after(0.1 if used[-1] == 2 else 0.2)
        used.append(used[-1])
    assert choice.best == 2
