"""How much of a run is done, and how long the rest will take."""

from __future__ import annotations

from typing import TYPE_CHECKING

#: Part of training up to which its pace is looked at.
SETTLED = 0.95

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_contrastseg.learning.plan.stage import Budget, Stage

#: What a slice of a batch is taken to cost until it was measured, seconds.
SECONDS_PER_SLICE = 0.01


class Estimate:
    """Follows a run through its stages.

    Stages of minutes take these minutes. What a stage of steps will take is guessed by
    the slices it works through, at the pace seen so far.

    Parameters
    ----------
    stages : sequence of Stage
    budget : Budget
    """

    def __init__(self, stages: Sequence[Stage], budget: Budget) -> None:
        self._timed = [length.minutes is not None for length in budget.lengths(stages)]
        self._weights = [
            60 * length.minutes
            if length.minutes is not None
            else (length.steps or 1)
            * stage.view.batch
            * stage.view.copies
            * SECONDS_PER_SLICE
            for stage, length in zip(stages, budget.lengths(stages), strict=True)
        ]
        self._stage = 0
        self._start: tuple[float, float] | None = None  # time, and what was done then
        self._pace = 1.0  # seconds taken for a second expected, where steps count
        self._paced = False

    def next_stage(self) -> None:
        """Go on to the stage after the running one."""
        self._stage, self._start = self._stage + 1, None

    def after(self, fraction: float, now: float) -> tuple[float, float | None]:
        """Return the part of the whole run that is done, and the seconds left.

        Parameters
        ----------
        fraction : float
            Of the running stage that is done.
        now : float
            Seconds of any steady clock.
        """
        weight = self._weights[self._stage]
        if self._start is None:
            self._start = (now, fraction)
        since, before = self._start
        if fraction > before and not self._timed[self._stage] and weight:
            self._pace = (now - since) / ((fraction - before) * weight)
            self._paced = True
        done = sum(self._weights[: self._stage]) + fraction * weight
        left = (1 - fraction) * self._cost(self._stage)
        left += sum(self._cost(i) for i in range(self._stage + 1, len(self._weights)))
        known = self._paced or self._timed[self._stage]
        return done / sum(self._weights), left if known else None

    def _cost(self, stage: int) -> float:
        pace = 1.0 if self._timed[stage] else self._pace
        return self._weights[stage] * pace


class WithPrediction:
    """Adds the prediction that follows to the seconds left of training.

    Where training takes longer than was estimated, so will prediction.

    Parameters
    ----------
    training, prediction : float
        Seconds, estimated by one pace.
    """

    def __init__(self, training: float, prediction: float) -> None:
        self._training, self._prediction = training, prediction
        self._slower = 1.0

    def left(self, fraction: float, eta: float | None) -> float | None:
        """Return the seconds left, from those of training and the part that is done."""
        if eta is None:
            return None
        if fraction < SETTLED and self._training:
            self._slower = eta / (1 - fraction) / self._training
        return eta + self._slower * self._prediction
