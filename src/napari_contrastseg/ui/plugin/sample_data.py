"""Sample data for napari's File menu."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_contrastseg.samples import samples
from napari_contrastseg.ui.viewer.image_layers import layer_for

if TYPE_CHECKING:
    LayerData = tuple[Any, dict[str, Any], str]


def mni() -> list[LayerData]:
    """MNI152 T1 template with simulated coil bias and noise, and its tissue labels."""
    return _with_truth([samples.mni152()])


def phantoms() -> list[LayerData]:
    """Three synthetic phantoms and their labels."""
    return _with_truth(samples.phantom_cohort(3))


def hippocampus() -> list[LayerData]:
    """Three volumes of MSD Hippocampus, downloaded by MONAI."""
    return _with_truth(samples.hippocampus(3))


def _with_truth(entries: list[samples.Sample]) -> list[LayerData]:
    layers = []
    for entry in entries:
        data, about, kind = layer_for(entry.volume)
        layers.append((data, about, kind))
        place = {key: about[key] for key in ("scale", "translate")}
        name = f"{entry.volume.id} reference"
        mask = {"name": name, "visible": False, **place}
        layers.append((entry.truth, mask, "labels"))
    return layers
