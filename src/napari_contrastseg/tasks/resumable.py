"""Resumable training: a run saved in a folder goes on after a crash or a cancel.

::

    RUN/run.json            the request, as plain values
    RUN/targets/<n>/...     target and weight of each volume, frozen
    RUN/start/              the weights that it began from, if any
    RUN/checkpoint/         see `learning.training.checkpoint`
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import (
    check_format,
    parse,
    read_json,
    to_plain,
    write_json,
)
from napari_contrastseg.io.plural import plural
from napari_contrastseg.io.slice_axis import SliceAxis  # noqa: TC001  for pydantic
from napari_contrastseg.learning.data.targets import TrainingVolume, check_labels
from napari_contrastseg.learning.models.card import ModelClass  # noqa: TC001  for pydantic
from napari_contrastseg.learning.plan.stage import Budget, Purpose, StageLength
from napari_contrastseg.recipes import recipe_named
from napari_contrastseg.session.rounds import RoundInfo  # noqa: TC001  for pydantic
from napari_contrastseg.session.storage.zarr_array import read_array, write_array
from napari_contrastseg.tasks.events import Note, preparing
from napari_contrastseg.tasks.predict import Look, nobody_looks
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.round import run_round

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.tasks.feature_probe import FeatureProbe
    from napari_contrastseg.tasks.round import RoundEvent

FORMAT: Final = 2
RUN: Final = "run"
_ABOUT: Final = "run.json"
_CHECKPOINT: Final = "checkpoint"


@dataclass(frozen=True)
class FrozenVolume:
    """A volume of the request; the session holds its image."""

    id: str
    target: bool
    weight: bool


@dataclass(frozen=True)
class StoredRun:
    """A `TrainRequest` as plain values, and what the round will be called.

    Attributes
    ----------
    propose : bool
        Whether prediction follows.
    """

    format: int
    recipe: str
    preset: str
    settings: dict[str, Any] | None
    classes: tuple[ModelClass, ...]
    slices: SliceAxis
    purposes: tuple[Purpose, ...]
    steps: int | None
    minutes: float | None
    device: str
    seed: int
    start: bool
    volumes: tuple[FrozenVolume, ...]
    info: RoundInfo
    propose: bool
    stages: tuple[StageLength, ...] = ()


def run_resumable(
    request: TrainRequest,
    folder: Path | None,
    info: RoundInfo,
    *,
    propose: bool,
    probe: FeatureProbe | None = None,
    look: Look = nobody_looks,
) -> Generator[RoundEvent, None, None]:
    """Run a round that can go on after a crash; without a folder, one that cannot.

    Raises
    ------
    InputError
        Nothing or a single class is labelled; or as `resolve` and `train` do.
    """
    for number, _ in enumerate(request.volumes, start=1):  # worked out when asked for
        yield preparing(f"labels of volume {number} of {len(request.volumes)}")
    yield preparing("timing some steps")
    kept = request if folder is None else kept_in(folder, request)
    run = resolve_here(kept)  # a run that cannot begin is not saved
    if "fine-tune" not in request.purposes:
        check_labels(request.volumes)  # the pixel size of later rounds depends on them
    if folder is not None:
        try:
            write_run(folder, request, info, propose=propose)
        except (InputError, OSError) as error:
            run = replace(run, request=request)
            why = getattr(error, "strerror", None) or error
            yield Note(f"The run cannot be saved, so it cannot go on later ({why}).")
    yield from run_round(run, propose=propose, probe=probe, look=look)


def kept_in(folder: Path, request: TrainRequest) -> TrainRequest:
    """Let a request have its checkpoints in the folder of a run."""
    return replace(request, keep=folder / _CHECKPOINT)


def has_checkpoint(request: TrainRequest) -> bool:
    """Whether there is a checkpoint from which this very request can go on.

    Raises
    ------
    InputError
        As `resolve` does.
    """
    from napari_contrastseg.learning.training.checkpoint import read_position  # noqa: PLC0415

    try:
        position = read_position(request.keep) if request.keep is not None else None
    except InputError:
        position = None
    if position is None:
        return False
    return position.identity == resolve_here(request).identity


def resume_run(
    request: TrainRequest,
    *,
    propose: bool,
    probe: FeatureProbe | None = None,
    look: Look = nobody_looks,
) -> Generator[RoundEvent, None, None]:
    """Run the round that `read_run` found, from its last checkpoint on.

    Raises
    ------
    InputError
        As `resolve` and `train` do.
    """
    yield preparing("timing some steps")
    run = resolve_here(request)
    yield from run_round(run, propose=propose, probe=probe, look=look)


def write_run(
    folder: Path, request: TrainRequest, info: RoundInfo, *, propose: bool
) -> None:
    """Write a request in place of the one that was there.

    Raises
    ------
    InputError or OSError
        The folder cannot be written.
    """
    forget_run(folder)
    volumes = []
    for number, entry in enumerate(request.volumes):
        for name in ("target", "weight"):
            array = getattr(entry, name)
            if array is not None:
                for _ in write_array(folder / "targets" / str(number) / name, array):
                    pass
        known = (entry.target is not None, entry.weight is not None)
        volumes.append(FrozenVolume(entry.volume.id, *known))
    if request.start is not None:
        from napari_contrastseg.learning.models.model import save_model  # noqa: PLC0415

        save_model(folder / "start", request.start)
    settings = request.settings
    stored = StoredRun(
        format=FORMAT,
        recipe=request.recipe,
        preset=request.preset,
        settings=to_plain(settings) if settings is not None else None,
        classes=request.classes,
        slices=request.slices,
        purposes=request.purposes,
        steps=request.budget.steps,
        minutes=request.budget.minutes,
        device=request.device,
        seed=request.seed,
        start=request.start is not None,
        volumes=tuple(volumes),
        info=info,
        propose=propose,
        stages=request.budget.stages,
    )
    write_json(folder / _ABOUT, to_plain(stored))


def read_run(folder: Path, session: Session) -> tuple[TrainRequest, RoundInfo, bool]:
    """Read a request that can go on: it, its round, and whether to propose.

    Raises
    ------
    InputError
        There is none, it is damaged, or a volume of it is gone.
    """
    from napari_contrastseg.learning.models.model import load_model  # noqa: PLC0415

    value = read_json(folder / _ABOUT)
    found = check_format(
        value, FORMAT, str(folder), oldest=1, advice="begin the run again"
    )
    if found == 1:  # all volumes had one slice axis
        value["slices"] = {"rule": "array", "number": value.get("axis")}
    stored = parse(StoredRun, value, str(folder / _ABOUT))
    volumes, records = [], session.all_records
    for number, entry in enumerate(stored.volumes):
        if entry.id not in records:
            raise InputError(
                f"{entry.id}: is not in the session any more; begin the run again."
            )
        volume = records[entry.id].volume
        place = folder / "targets" / str(number)
        target = weight = None
        if entry.target:
            target = read_array(place / "target", volume.shape, np.int16)
        if entry.weight:
            weight = read_array(place / "weight", volume.shape, np.float32)
        volumes.append(TrainingVolume(volume, target, weight))
    settings = None
    if stored.settings is not None:
        kind = type(recipe_named(stored.recipe).presets[stored.preset])
        settings = parse(kind, stored.settings, str(folder / _ABOUT))
    request = TrainRequest(
        volumes=tuple(volumes),
        classes=stored.classes,
        slices=stored.slices,
        recipe=stored.recipe,
        preset=stored.preset,
        settings=settings,
        purposes=stored.purposes,
        budget=Budget(stored.steps, stored.minutes, stored.stages),
        device=stored.device,
        seed=stored.seed,
        start=load_model(folder / "start") if stored.start else None,
        proposes=stored.propose,
        spare_core=True,
        closed=frozenset(session.closed),
        keep=folder / _CHECKPOINT,
    )
    return request, stored.info, stored.propose


def is_kept(folder: Path) -> bool:
    """Whether a folder holds a run that can go on."""
    return (folder / _ABOUT).is_file()


def unfinished(folder: Path) -> str:
    """Say where a run stopped, in a few words; ``""`` where there is none."""
    from napari_contrastseg.learning.training.checkpoint import read_position  # noqa: PLC0415

    if not is_kept(folder):
        return ""
    try:
        position = read_position(folder / _CHECKPOINT)
    except InputError:
        position = None
    if position is None:
        return "stopped before its first checkpoint"
    done = sum(stage.steps for stage in position.finished) + position.step
    return f"stopped after {plural(done, 'step')}"


def forget_run(folder: Path) -> None:
    """Delete a run that is over or not wanted any more."""
    (folder / _ABOUT).unlink(missing_ok=True)  # first: without it there is no run
    shutil.rmtree(folder, ignore_errors=True)
