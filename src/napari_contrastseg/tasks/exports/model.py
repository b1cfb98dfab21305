"""Export the model: the folder that ``contrastseg predict`` and the window open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.tasks.exports import Export, Output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_contrastseg.session.session import Session


@dataclass(frozen=True)
class ModelOptions:
    """A model is written in one way."""


def missing(session: Session) -> str | None:
    """Say what there must be first."""
    return None if session.rounds.weights is not None else "Train a round first"


def run(session: Session, _options: ModelOptions, output: Output) -> Iterator[Path]:
    """Write the latest model."""
    from napari_contrastseg.learning.models.model import save_model  # noqa: PLC0415

    assert session.rounds.weights is not None
    (folder,) = output.claim("model")
    yield from save_model(folder, session.rounds.weights)


EXPORT = Export(
    name="model",
    title="Model",
    summary="A folder that contrastseg predict and the window open",
    options=ModelOptions(),
    missing=missing,
    run=run,
    of_model=True,
)
