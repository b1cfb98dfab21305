"""A small model that has learned nothing."""

from __future__ import annotations

from napari_contrastseg.learning.data.input_spec import InputSpec
from napari_contrastseg.learning.models.card import ModelCard, ModelClass
from napari_contrastseg.learning.models.model import Model, build_network
from napari_contrastseg.learning.networks.spec import NetworkSpec


def untrained_model() -> Model:
    """One class, slices along the first axis."""
    spec = NetworkSpec(widths=(4, 8))
    inputs = InputSpec(("image",), 0, 0, (1.0, 1.0), ())
    classes = (ModelClass(1, "core"),)
    card = ModelCard("supervised", "sound", {}, classes, inputs, spec, False, 0)
    return Model(card, build_network(spec, inputs, 1))
