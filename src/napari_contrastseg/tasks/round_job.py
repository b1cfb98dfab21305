"""Rounds as jobs for executors: what travels to where they run, what is asked there.

::

    begin ----> run_resumable         the place is lost --> take_up
    go_on ----> resume_run            the place is lost --> go_on
    propose --> propose_from          the place is lost --> propose
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from napari_contrastseg.tasks import resumable
from napari_contrastseg.tasks.executors.executor import Job
from napari_contrastseg.tasks.feature_probe import FeatureProbe
from napari_contrastseg.tasks.round import Trained, propose_from

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.rounds import RoundInfo
    from napari_contrastseg.tasks.predict import ShownSlice
    from napari_contrastseg.tasks.requests import TrainRequest
    from napari_contrastseg.tasks.round import RoundEvent

    Events = Generator[RoundEvent, None, None]

_HERE = f"{__name__}:"


@dataclass(frozen=True)
class RoundNow:
    """What a round asks while it runs.

    Attributes
    ----------
    shown : ShownSlice, optional
        What the person looks at.
    watched : bool
        Whether anybody looks at the map.
    ours : bool
        Whether the run's folder is still ours to write.
    """

    shown: ShownSlice | None = None
    watched: bool = True
    ours: bool = True


@dataclass(frozen=True, eq=False)
class RoundRequest:
    """A training, and whether prediction follows.

    Attributes
    ----------
    training : TrainRequest
        What it asks of the window is asked by `RoundNow` instead.
    folder : Path, optional
        Where the run is kept.
    """

    training: TrainRequest
    info: RoundInfo
    folder: Path | None = None
    proposes: bool = True
    probe: FeatureProbe = field(default_factory=FeatureProbe)


@dataclass(frozen=True, eq=False)
class ProposalRequest:
    """A trained model that shall predict and embed a training's volumes."""

    model: Model
    training: TrainRequest
    probe: FeatureProbe = field(default_factory=FeatureProbe)


def beginning(asked: RoundRequest) -> Job:
    """Give the job of a round that begins."""
    resume = f"{_HERE}take_up" if asked.folder is not None else ""
    return _job("begin", asked, resume)


def going_on(asked: RoundRequest) -> Job:
    """Give the job of a round that `read_run` found."""
    return _job("go_on", asked, f"{_HERE}go_on")


def proposing(asked: ProposalRequest) -> Job:
    """Give the job of a prediction alone."""
    return Job(f"{_HERE}propose", asked, device=asked.training.device)


def _job(function: str, asked: RoundRequest, resume: str) -> Job:
    device = asked.training.device
    return Job(f"{_HERE}{function}", asked, resume, Trained, asked.folder, device)


def begin(asked: RoundRequest, now: Callable[[], RoundNow]) -> Events:
    """Run a round."""
    return resumable.run_resumable(
        _training(asked, now),
        asked.folder,
        asked.info,
        propose=asked.proposes,
        probe=_probe(asked.probe, now),
        look=lambda: now().shown,
    )


def take_up(asked: RoundRequest, now: Callable[[], RoundNow]) -> Events:
    """Go on with a round that has begun elsewhere."""
    assert asked.folder is not None
    kept = resumable.kept_in(asked.folder, _training(asked, now))
    if resumable.has_checkpoint(kept):
        yield from go_on(replace(asked, training=kept), now)
    else:  # what stands there may be of a run before
        yield from begin(asked, now)


def go_on(asked: RoundRequest, now: Callable[[], RoundNow]) -> Events:
    """Go on with a round from its last checkpoint."""
    return resumable.resume_run(
        _training(asked, now),
        propose=asked.proposes,
        probe=_probe(asked.probe, now),
        look=lambda: now().shown,
    )


def propose(asked: ProposalRequest, now: Callable[[], RoundNow]) -> Events:
    """Predict and embed."""
    probe = _probe(asked.probe, now)
    yield from propose_from(asked.model, asked.training, probe, lambda: now().shown)


def _training(asked: RoundRequest, now: Callable[[], RoundNow]) -> TrainRequest:
    return replace(asked.training, ours=lambda: now().ours)


def _probe(probe: FeatureProbe, now: Callable[[], RoundNow]) -> FeatureProbe:
    return replace(probe, wanted=lambda: now().watched)
