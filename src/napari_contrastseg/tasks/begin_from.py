"""Begin training from a model: read it, and refuse one whose weights do not fit."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.tasks.resolved import ResolvedTraining


def read_start(folder: Path | None) -> Model | None:
    """Read the model that training begins from, if one was named.

    Raises
    ------
    InputError
        The folder holds no model that can be read.
    """
    from napari_contrastseg.learning.models.model import load_model  # noqa: PLC0415

    return None if folder is None else load_model(folder)


def check_start(run: ResolvedTraining, folder: Path | None) -> None:
    """Refuse a model whose weights the network cannot take.

    In the window such a training starts over, and says so; who names a model on the
    command line wants its weights.

    Raises
    ------
    InputError
        Naming the first thing in which the two networks differ.
    """
    start, (first, *_) = run.request.start, run.axes
    if start is None or first.start is not None:
        return
    mine, theirs = run.plan.network, start.card.network
    names = [entry.name for entry in fields(mine)]
    other = next((n for n in names if getattr(mine, n) != getattr(theirs, n)), None)
    have, want = (
        (start.card.input.planes, first.inputs.planes)
        if other is None
        else (getattr(theirs, other), getattr(mine, other))
    )
    raise InputError(
        f"{folder}: its network does not fit recipe {run.request.recipe} "
        f"({other or 'channels'}: {have} there, {want} here); give a model of the same "
        "network, or --set what differs."
    )
