"""Number of CPU threads, chosen by timing training steps while they are taken.

::

    TRYING --each number timed--> KEEPING --seconds are over--> TRYING

With several threads every operation waits for the slowest of them: beside another busy
program that is the one which lost its core, and fewer threads are faster then. While a
person uses the window, a core is left free whatever is the fastest.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import torch

from napari_contrastseg.learning.runtime.cores import all_cores, cores_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: Steps timed with each number of threads, after one that is not counted.
STEPS: Final = 3
#: Seconds of training between two comparisons, and how many times as long as one.
EVERY: Final = 20.0
TIMES: Final = 8.0
#: Another number is taken where its steps need less than this part of the time.
BETTER: Final = 0.9
#: A number whose first step takes so many times as long as the best's is given up.
HOPELESS: Final = 1.5


def numbers_to_try(most: int, cores: int | None = None) -> tuple[int, ...]:
    """List the numbers of threads that are compared: all, all but one, half, one.

    `most` is the number in use, which a person or the window may have limited.
    """
    cores = cores or os.cpu_count() or 1
    numbers = {most, cores - 1, cores // 2, 1}
    return tuple(sorted((n for n in numbers if 1 <= n <= most), reverse=True))


class MeasuredThreads:
    """Times steps with some numbers of threads, and keeps the fastest.

    Parameters
    ----------
    numbers : sequence of int
        Those that are compared; the first is used until others were timed.
    use : callable
        Makes this thread compute with so many.
    most : callable, optional
        How many it may be at this moment.
    """

    def __init__(
        self,
        numbers: Sequence[int],
        use: Callable[[int], None] = torch.set_num_threads,
        most: Callable[[], int] | None = None,
    ) -> None:
        self._numbers, self._use = tuple(numbers), use
        self._most = most or (lambda: self._numbers[0])
        self._limited = False
        self.best = self._numbers[0]
        self._means: dict[int, float] = {}
        self._begin()

    def after(self, seconds: float) -> None:
        """Take in how long a step has taken, and choose for the next one."""
        if len(self._numbers) < 2:  # noqa: PLR2004  nothing to compare
            return
        self._spent += seconds
        if self._is_limited():
            return
        if not self._left:
            if self._spent >= self._rest:
                self._begin()
            return
        self._steps.append(seconds)
        timed = self._steps[1:]
        if timed and (len(timed) == STEPS or self._is_hopeless(timed[0])):
            self._means[self._left.pop(0)] = sum(timed) / len(timed)
            self._next()

    def _is_limited(self) -> bool:
        """Keep within what is free now; a step that was cut short is not counted."""
        before, most = self._limited, self._most()
        self._limited = most < self._numbers[0]
        if self._limited:
            self._use(min(self.best, most))
        elif before:
            self._use(self._left[0] if self._left else self.best)
        if self._limited or before:
            self._steps: list[float] = []
        return self._limited or before

    def _begin(self) -> None:
        """Compare all numbers again, the one in use first."""
        self._left = sorted(self._numbers, key=lambda n: n != self.best)
        self._means.clear()
        self._steps = []
        self._spent = self._rest = 0.0

    def _is_hopeless(self, seconds: float) -> bool:
        """Whether a step is far slower than the best number's."""
        return bool(self._means) and seconds > HOPELESS * min(self._means.values())

    def _next(self) -> None:
        """Try the next number, or keep the best until the next comparison."""
        self._steps = []
        if self._left:
            self._use(self._left[0])
            return
        fastest = min(self._means, key=lambda n: self._means[n])
        if self._means[fastest] < BETTER * self._means[self.best]:
            self.best = fastest
        self._use(self.best)
        self._rest = max(EVERY, TIMES * self._spent)
        self._spent = 0.0


@contextmanager
def measured_threads(
    device: torch.device, *, wanted: bool, shared: bool = False
) -> Iterator[MeasuredThreads | None]:
    """Choose the number of threads while a stage runs; the one before comes back.

    Parameters
    ----------
    device : torch.device
    wanted : bool
        Whether to choose at all.
    shared : bool
        Whether the cores are shared with a person at the window: all of them while
        nobody does anything there, else all but one.
    """
    if device.type != "cpu" or not wanted:
        yield None
        return
    before = torch.get_num_threads()
    try:
        if shared:
            torch.set_num_threads(cores_now())
            yield MeasuredThreads(numbers_to_try(all_cores()), most=cores_now)
        else:
            yield MeasuredThreads(numbers_to_try(before))
    finally:
        torch.set_num_threads(before)
