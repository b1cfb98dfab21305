"""From the session and the panel to a request for training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.going_on import went_on
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.session.freeze import (
    FrozenVolumes,
    frozen_classes,
    labelled_slices,
    settled_slices,
)
from napari_contrastseg.session.rounds import RoundInfo
from napari_contrastseg.tasks.requests import TrainRequest

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.ui.learn.panel import LearnSettings

What = Literal["round", "pretrain", "fine-tune"]


def freeze(
    session: Session,
    what: What,
    settings: LearnSettings | None,
    pretrained: Model | None = None,
) -> TrainRequest:
    """Freeze the session into a request; the annotator may go on painting.

    Parameters
    ----------
    pretrained : Model, optional
        What was learned from the images in the background, for a run of the same
        recipe; weights of rounds, or of a pretraining with labels, come before it.
    """
    recipe = settings.recipe if settings else "supervised"
    start = session.rounds.weights
    if start is None and pretrained is not None and pretrained.card.recipe == recipe:
        start = pretrained
    volumes = FrozenVolumes(session)
    purposes: dict[What, tuple[Any, ...]] = {
        "pretrain": ("pretrain",),
        "fine-tune": ("fine-tune",),
        "round": ("pretrain", "fine-tune"),
    }
    return TrainRequest(
        volumes=volumes,
        classes=frozen_classes(session),
        slices=session.slices,
        recipe=recipe,
        preset=settings.preset if settings else "sound",
        settings=settings.settings if settings else None,
        purposes=purposes[what],
        budget=Budget(minutes=settings.minutes if settings else None),
        device=settings.device if settings else "auto",
        seed=len(session.rounds),
        start=start,
        proposes=what != "pretrain",
        spare_core=True,
        closed=frozenset(session.closed),
    )


def round_info(session: Session, request: TrainRequest) -> RoundInfo:
    """Say what a round learns from; its number and seconds are not known yet."""
    return RoundInfo(
        number=0,
        recipe=request.recipe,
        labelled_slices=labelled_slices(session),
        seconds=0.0,
        settled=settled_slices(session),
    )


def fitting_model(
    session: Session, folder: Path
) -> tuple[Model, list[tuple[Volume, str | None]]]:
    """Read a model, and the session's volumes as it is to see them; in any thread.

    Raises
    ------
    InputError
        It cannot be read, or does not fit.
    """
    from napari_contrastseg.learning.models.model import load_model  # noqa: PLC0415

    model = load_model(folder)
    went_on()
    found = sized_volumes(session, model)
    for volume, _ in found:
        model.check_fits(volume)
    return model, found


def sized_volumes(session: Session, model: Model) -> list[tuple[Volume, str | None]]:
    """Give the volumes as a model is to see them, as on the command line.

    Those whose files state no voxel size have the one of training, and a sentence says
    so. Once a round has run their sizes are fixed.
    """
    from napari_contrastseg.learning.models.voxel_size import sized  # noqa: PLC0415

    found: list[tuple[Volume, str | None]] = []
    for record in session.records.values():
        volume, assumed = record.volume, None
        if not session.rounds:
            volume, assumed = sized(model.card, volume)
        if assumed is not None:
            assumed += "; set another in step Data of a new session if that is not so."
        found.append((volume, assumed))
    return found


def take_classes(session: Session, model: Model) -> None:
    """Let the session know the classes that a model speaks of.

    Raises
    ------
    InputError
        A number means one class here and another one there.
    """
    names = {c.id: c.name for c in session.classes}
    for entry in model.card.classes:
        mine = names.get(entry.id, entry.name)
        if mine not in (entry.name, f"class {entry.id}"):
            raise InputError(
                f"The model's class {entry.id} is {entry.name!r}, here it is "
                f"{mine!r}; rename yours, or use the model in a new session."
            )
    for entry in model.card.classes:
        if names.get(entry.id) == entry.name:
            continue
        if entry.id not in names:
            session.add_class_with_id(entry.id)
        session.change_class(entry.id, name=entry.name, colour=entry.colour)
