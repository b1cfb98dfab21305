"""Training on data sets, as the command line asks for it."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.dataset import read_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_folder, refuse_existing
from napari_contrastseg.learning.models.card import ModelClass
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.recipes import recipe_named, settings_of
from napari_contrastseg.tasks.begin_from import check_start, read_start
from napari_contrastseg.tasks.events import Note, Progress, StageReport, TrainingBegan
from napari_contrastseg.tasks.named_files import naming_files
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.splits import Labels, read_training, split_cases
from napari_contrastseg.tasks.train import train

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from napari_contrastseg.io.dataset import Dataset
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.plan.stage import Purpose
    from napari_contrastseg.tasks.resolved import ResolvedTraining
    from napari_contrastseg.tasks.splits import Split, Training

#: Folder within a model's that holds the checkpoints of an unfinished run.
CHECKPOINT = "checkpoint"
MODEL_CARD = "model.json"


@dataclass(frozen=True)
class DatasetTraining:
    """A training run on a data set, as the command line asks for it.

    Attributes
    ----------
    unrelated : bool
        Whether slices are pictures that have nothing to do with their neighbours.
    devices : int
        As in `TrainRequest`.
    start : Path, optional
        Folder of a model whose weights training begins from, of any recipe.
    purposes : tuple
        As in `TrainRequest`.
    """

    dataset: Path
    out: Path
    recipe: str
    preset: str = "sound"
    fold: int | None = None
    labels: Labels = field(default_factory=Labels)
    axis: int | None = None
    budget: Budget = field(default_factory=Budget)
    device: str = "auto"
    seed: int = 0
    overwrite: bool = False
    changes: Mapping[str, str] = field(default_factory=dict)
    unrelated: bool = False
    devices: int = 1
    start: Path | None = None
    purposes: tuple[Purpose, ...] = ("pretrain", "fine-tune")


def train_on_dataset(
    request: DatasetTraining,
) -> Generator[Progress | Note | dict[str, Any], None, None]:
    """Train on a data set and save the model; the last event is the JSON report.

    Raises
    ------
    InputError
        Something that was asked for cannot be had; nothing is written then.
    """
    keep = request.out / CHECKPOINT
    unfinished = is_unfinished(request, keep)
    recipe = recipe_named(request.recipe)
    dataset = read_dataset(request.dataset)
    split = split_cases(dataset, request.fold)
    training = read_training(
        dataset, split, request.labels, axis=request.axis, unlabelled=recipe.unlabelled
    )
    with naming_files(entry.volume for entry in training.volumes):
        run = resolve_here(_train_request(request, dataset, training, keep))
    check_start(run, request.start)
    need_folder(request.out)
    if unfinished:
        yield _resumed(run, keep)
    else:
        forget_unfinished(keep)
    start = time.perf_counter()
    model, device, stages = yield from _trained(run)
    report = {
        "recipe": request.recipe,
        "preset": request.preset,
        "seed": request.seed,
        "device": device,
        "fold": request.fold,
        "labelled_cases": list(training.labelled_cases),
        "labelled_slices": training.labelled_slices,
        "stages": [_stage_report(stage) for stage in stages],
        "seconds": round(time.perf_counter() - start, 2),
    }
    if not request.overwrite and (request.out / MODEL_CARD).exists():
        raise InputError(
            f"{request.out}: another process wrote a model there meanwhile, which is "
            "kept; train this one again, with another --out."
        )
    _save(model, request.out, split, training, report)
    shutil.rmtree(keep, ignore_errors=True)
    yield report | {"model": str(request.out)}


def is_unfinished(request: DatasetTraining, keep: Path) -> bool:
    """Whether a run that can go on is there; see that nothing else is in the way."""
    begun = keep.is_dir() and not (request.out / MODEL_CARD).exists()
    if begun and not request.overwrite:
        return True
    refuse_existing(request.out, overwrite=request.overwrite)
    return False


def forget_unfinished(keep: Path) -> None:
    """Delete the checkpoints of another run, once this one is known to begin."""
    shutil.rmtree(keep, ignore_errors=True)


def _train_request(
    request: DatasetTraining, dataset: Dataset, training: Training, keep: Path
) -> TrainRequest:
    """Ask for the training that the command line asks for."""
    recipe = recipe_named(request.recipe)
    volumes = training.volumes
    if request.unrelated:
        volumes = tuple(
            replace(one, volume=replace(one.volume, kind="stack")) for one in volumes
        )
    return TrainRequest(
        volumes=volumes,
        classes=tuple(
            ModelClass(number, name) for number, name in sorted(dataset.classes.items())
        ),
        slices=training.slices,
        recipe=request.recipe,
        preset=request.preset,
        settings=settings_of(recipe, request.preset, request.changes),
        budget=request.budget,
        device=request.device,
        devices=request.devices,
        seed=request.seed,
        keep=keep,
        start=read_start(request.start),
        purposes=request.purposes,
    )


def _resumed(run: ResolvedTraining, keep: Path) -> Note:
    """Say where an unfinished run goes on.

    Raises
    ------
    InputError
        Its checkpoint is of another request.
    """
    from napari_contrastseg.learning.training.checkpoint import Checkpoints  # noqa: PLC0415

    state = Checkpoints(keep, run.identity).load()
    if state is None:
        raise InputError(
            f"{keep.parent}: holds an unfinished run with other options; repeat its "
            "command to go on with it, or allow overwriting (--overwrite)."
        )
    at = state.position
    return Note(f"Going on with the unfinished run, stage {at.stage} step {at.step}.")


def _trained(
    run: ResolvedTraining,
) -> Generator[Progress | Note, None, tuple[Model, str, list[StageReport]]]:
    """Train; returns the model, the device and the reports of the stages."""
    model, device, stages = None, "", []
    with naming_files(entry.volume for entry in run.request.volumes):
        for event in train(run):
            if isinstance(event, TrainingBegan):
                model, device = event.model, event.device
            elif isinstance(event, StageReport):
                stages.append(event)
            else:
                yield event
    assert model is not None
    return model, device, stages


def _stage_report(stage: StageReport) -> dict[str, Any]:
    return {
        "name": stage.name,
        "axis": stage.axis,
        "steps": stage.steps,
        "seconds": round(stage.seconds, 2),
        "loss": [round(value, 5) for value in stage.loss],
    }


def _save(
    model: Model, out: Path, split: Split, training: Training, report: dict[str, Any]
) -> None:
    """Save the model; its record names the cases."""
    from napari_contrastseg.learning.models.model import (  # noqa: PLC0415
        NAMED_CHANNELS,
        save_model,
    )

    record = model.card.training | {
        "train_cases": list(split.train),
        "test_cases": list(split.test),
        "labelled_cases": list(training.labelled_cases),
        "seconds": report["seconds"],
        NAMED_CHANNELS: True,
    }
    save_model(out, replace(model, card=replace(model.card, training=record)))
