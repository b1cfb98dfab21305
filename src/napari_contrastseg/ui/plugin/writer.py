"""napari's writer of a labels layer as a mask with its place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import napari
import numpy as np
from napari.layers import Labels

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import write_mask
from napari_contrastseg.io.volume import Source, Volume
from napari_contrastseg.ui.viewer.image_layers import (
    affine_of,
    shown_elsewhere,
    shown_on_grid_of,
)
from napari_contrastseg.ui.viewer.layer_files import VOLUME_KEY

if TYPE_CHECKING:
    from napari.layers import Layer

_PLACEMENT: Final = (
    "scale",
    "translate",
    "rotate",
    "shear",
    "affine",
    "units",
    "metadata",
)
_PLANE: Final = 2


class WriteError(RuntimeError):
    """A labels layer cannot be written; napari shows the sentence.

    Of a writer's `ValueError`, as `InputError` is one, napari says that there is no
    writer.
    """


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write one labels layer where it lies: on one of our images' grids, as that image.

    Raises
    ------
    WriteError
        It cannot be said where it lies, or the file cannot be written.
    """
    known = {key: attributes[key] for key in _PLACEMENT if key in attributes}
    layer = Labels(np.asarray(data), name=str(attributes.get("name", "mask")), **known)
    try:
        _write(Path(path), layer)
    except InputError as error:
        raise WriteError(str(error)) from error
    except ValueError as error:
        raise WriteError(f"{path}: could not be written ({error}).") from error
    return [path]


def _write(path: Path, layer: Labels) -> None:
    mask = np.asarray(layer.data)
    mask = mask[None] if mask.ndim == _PLANE else mask
    volume = _volume_of(layer)
    if volume is not None:
        write_mask(path, mask, volume)
        return
    stated = any(str(unit) != "pixel" for unit in layer.units)
    source = Source(unit="mm" if stated else "pixel")
    write_mask(path, mask, Volume(layer.name, (mask,), affine_of(layer), source=source))


def _volume_of(layer: Labels) -> Volume | None:
    """Find the volume on whose grid a layer was painted: its own, or one below it.

    Raises
    ------
    InputError
        There are several, which lie in different places; or none, and what is shown
        is not where things lie.
    """
    own = layer.metadata.get(VOLUME_KEY)
    if isinstance(own, Volume) and own.data[0].size == layer.data.size:
        return own
    open_ones = [other.metadata.get(VOLUME_KEY) for other in _open_layers()]
    volumes = [volume for volume in open_ones if isinstance(volume, Volume)]
    found = [volume for volume in volumes if shown_on_grid_of(layer, volume)]
    if any(not volume.same_place(found[0]) for volume in found[1:]):
        names = " and ".join(sorted({volume.id for volume in found}))
        raise InputError(
            f"{layer.name}: lies on {names}, which are shown in one place and lie in "
            "different ones; close all but the one it was painted on."
        )
    oblique = next((v.id for v in volumes if shown_elsewhere(v)), None)
    if not found and oblique is not None:
        raise InputError(
            f"{layer.name}: lies on the grid of no image, and {oblique} is shown "
            f"upright though it lies oblique, so that its place is not known; paint on "
            f"the layer that step Data makes, or close {oblique}."
        )
    return found[0] if found else None


def _open_layers() -> list[Layer]:
    """List what the viewer shows; napari gives a writer nothing but the layer."""
    viewer = napari.current_viewer()  # noqa: TID251
    return list(viewer.layers) if viewer is not None else []
