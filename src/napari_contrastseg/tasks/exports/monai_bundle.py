"""Export the model as a MONAI bundle, which predicts without this package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.tasks.exported_networks import missing_model
from napari_contrastseg.tasks.exports import Export, Output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_contrastseg.session.session import Session


@dataclass(frozen=True)
class MonaiBundleOptions:
    """A model is written in one way."""


def run(
    session: Session, _options: MonaiBundleOptions, output: Output
) -> Iterator[Path]:
    """Write the latest model."""
    from napari_contrastseg.learning.models.monai_bundle import (  # noqa: PLC0415
        write_bundle,
    )

    assert session.rounds.weights is not None
    (folder,) = output.claim("monai-bundle")
    yield from write_bundle(folder, session.rounds.weights)


EXPORT = Export(
    name="monai_bundle",
    title="Model as MONAI bundle",
    summary="TorchScript of all the model's networks, and configurations to predict "
    "with MONAI alone",
    options=MonaiBundleOptions(),
    missing=missing_model,
    run=run,
    of_model=True,
)
