"""How many cores a task may compute on: one fewer while a person uses the window.

Free of torch: the window says here that somebody is there, tasks look.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds for which a core is left free after a person did something.
STAYS: Final = 2.0


class Person:
    """Whether a person uses the window now.

    Parameters
    ----------
    now : callable
        Seconds of any steady clock.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._latest = float("-inf")

    def acts(self, ago: float = 0.0) -> None:
        """Note that the person does something now, or did so many seconds ago."""
        self._latest = self._now() - ago

    @property
    def idle(self) -> float:
        """Seconds since the person did something."""
        return self._now() - self._latest

    @property
    def is_there(self) -> bool:
        """Whether the person did something within the last seconds."""
        return self.idle < STAYS


#: The person at the window of this process; on the command line nobody.
PERSON: Final = Person()


def all_cores() -> int:
    """Count the cores that this process may use; ``OMP_NUM_THREADS`` limits them."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(asked)) if asked.isdecimal() and int(asked) else cores


def cores_now(person: Person = PERSON) -> int:
    """Count the cores to compute on at this moment: one at least."""
    cores = all_cores()
    return max(1, cores - 1) if person.is_there else cores
