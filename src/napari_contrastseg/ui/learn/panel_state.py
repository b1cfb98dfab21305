"""State of step Learn's panel, derived from the run and the session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.ui.learn.run_state import FinishReason, RunState

if TYPE_CHECKING:
    from napari_contrastseg.ui.learn.run_state import RunInProgress

_NO_VOLUME = "Add a volume in step Data first"
_STOPPING = "stopping ..."


@dataclass(frozen=True)
class LearnState:
    """What is going on.

    Attributes
    ----------
    why_not : str or None
        Why nothing can be trained now.
    why_no_model : str or None
        Why no model can be used now.
    running, paused : bool
    stage : str
    fraction : float
    eta : float or None, seconds
    message : str
        Shown in place of the progress; between runs how the last one ended.
    unfinished : str
        Where a run stopped that can go on; ``""`` where there is none.
    device : str
        What it runs on, with the memory that was free when it began.
    forecast : str
        What Run round would do; ``""`` while it is not known or cannot be run.
    """

    why_not: str | None = _NO_VOLUME
    why_no_model: str | None = _NO_VOLUME
    running: bool = False
    paused: bool = False
    stage: str = ""
    fraction: float = 0.0
    eta: float | None = None
    message: str = ""
    unfinished: str = ""
    device: str = ""
    forecast: str = ""


@dataclass(frozen=True)
class LastRun:
    """How the last run ended.

    Attributes
    ----------
    message : str
    fraction : float
        1 where it did what it was to do.
    """

    message: str = ""
    fraction: float = 0.0


@dataclass(frozen=True)
class SessionFacts:
    """What step Learn's panel depends on besides the run.

    Attributes
    ----------
    volumes, classes, labels : bool
        Whether there are any.
    unfinished : str
        Where a run stopped that can go on; ``""`` where there is none.
    last : LastRun
    forecast : str
        What Run round would do; ``""`` while it is not known.
    """

    volumes: bool = False
    classes: bool = False
    labels: bool = False
    unfinished: str = ""
    last: LastRun = LastRun()
    forecast: str = ""


def learn_state(run: RunInProgress | None, facts: SessionFacts) -> LearnState:
    """Derive what the panel shows.

    Parameters
    ----------
    run : RunInProgress or None
        None while nothing runs.
    facts : SessionFacts
    """
    why_not, why_no_model = _why_not(facts), None if facts.volumes else _NO_VOLUME
    if run is None:
        return LearnState(
            why_not,
            why_no_model,
            fraction=facts.last.fraction,
            message=facts.last.message,
            unfinished=facts.unfinished,
            forecast=_forecast(facts, why_not),
        )
    stopping = run.state is RunState.STOPPING or run.finish is FinishReason.CANCELLED
    return LearnState(
        why_not,
        why_no_model,
        running=True,
        paused=run.state is RunState.PAUSED,
        stage=run.progress.stage,
        fraction=run.progress.fraction,
        eta=run.progress.eta,
        message=_STOPPING if stopping else "",
        device=run.device,
    )


def _why_not(facts: SessionFacts) -> str | None:
    if not facts.volumes:
        return _NO_VOLUME
    if not facts.classes:
        return "Add a class in step Data first"
    if not facts.labels:
        return "Paint on a slice first, or mark one done"
    return None


def _forecast(facts: SessionFacts, why_not: str | None) -> str:
    """Say what would be run, where it can be and has not just been said."""
    return "" if why_not or facts.forecast == facts.last.message else facts.forecast
