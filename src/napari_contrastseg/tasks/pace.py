"""Pace of this computer: measured when it is needed, and remembered for a while."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from napari_contrastseg.learning.plan.pace import Pace, Workload

#: Seconds for which what was measured holds: other programs come and go.
HOLDS: Final = 60.0


class Paces:
    """Measures the pace of a workload on a device, unless that was done lately.

    Parameters
    ----------
    measure : callable
        Of a workload and a device.
    now : callable
        Seconds of any steady clock.
    """

    def __init__(
        self,
        measure: Callable[[Workload, torch.device], Pace],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._measure, self._now = measure, now
        self._known: dict[tuple[Workload, str], tuple[float, Pace]] = {}

    def of(self, work: Workload, device: torch.device, oldest: float = HOLDS) -> Pace:
        """Return the pace, `oldest` seconds old at most."""
        known = self._known.get((work, str(device)))
        if known is not None and self._now() - known[0] <= oldest:
            return known[1]
        found = self._measure(work, device)
        self._known[work, str(device)] = (self._now(), found)
        return found


def _measured(work: Workload, device: torch.device) -> Pace:
    from napari_contrastseg.learning.training.pace import measure_pace  # noqa: PLC0415

    return measure_pace(work, device)


#: Those of this process: what a forecast has measured a run need not measure again.
PACES: Final = Paces(_measured)
