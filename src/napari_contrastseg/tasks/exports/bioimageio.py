"""Export the model for BioImage.IO: a validated package for each slice axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.tasks.exported_networks import exported_networks, missing_model
from napari_contrastseg.tasks.exports import Export, Output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_contrastseg.session.session import Session

Licence = Literal["CC-BY-4.0", "CC0-1.0", "MIT", "BSD-3-Clause", "Apache-2.0"]


@dataclass(frozen=True)
class BioimageioOptions:
    """What the package says of itself."""

    name: Annotated[str, Setting("Name of the model.")] = "napari-contrastseg model"
    author: Annotated[str, Setting("Who made it.")] = "unknown"
    licence: Annotated[
        Licence, Setting("Under which others may use it (an SPDX identifier).")
    ] = "CC-BY-4.0"


def run(session: Session, options: BioimageioOptions, output: Output) -> Iterator[Path]:
    """Write the latest model."""
    from napari_contrastseg.learning.models.bioimage_package import (  # noqa: PLC0415
        Credits,
        write_package,
    )

    networks = exported_networks(session)
    paths = output.claim(*(f"{stem}.bioimage.io.zip" for stem in networks))
    for path, (stem, model) in zip(paths, networks.items(), strict=True):
        axis = f", {stem.removeprefix('model-')}" if len(networks) > 1 else ""
        said = Credits(options.name + axis, options.author, options.licence)
        write_package(path, model, said)
        yield path


EXPORT = Export(
    name="bioimageio",
    title="Model for BioImage.IO",
    summary="One package for each slice axis of the model, with ONNX weights",
    options=BioimageioOptions(),
    missing=missing_model,
    run=run,
    of_model=True,
)
