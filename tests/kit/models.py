"""Small models that have learned nothing."""

from __future__ import annotations

from napari_contrastseg.learning.data.input_spec import InputSpec
from napari_contrastseg.learning.models.card import ModelCard, ModelClass
from napari_contrastseg.learning.models.model import Model, build_network
from napari_contrastseg.learning.networks.spec import NetworkSpec, Norm
from napari_contrastseg.learning.runtime.rng import Randomness


def untrained_model() -> Model:
    """One class, slices along the first axis."""
    spec = NetworkSpec(widths=(4, 8))
    inputs = InputSpec(("image",), 0, 0, (1.0, 1.0), ())
    classes = (ModelClass(1, "core"),)
    card = ModelCard("supervised", "sound", {}, classes, inputs, spec, False, 0)
    with Randomness(0).scope():
        return Model(card, build_network(spec, inputs, 1))


def random_model(axis: int = 0, norm: Norm = "instance-batch") -> Model:
    """Two classes, slices along an axis, with a neighbour on either side."""
    spec = NetworkSpec(widths=(4, 8), norm=norm, decoder_norm=norm)
    inputs = InputSpec(("image",), axis, 1, (1.0, 1.0), (0,))
    classes = (ModelClass(1, "core"), ModelClass(2, "shell"))
    card = ModelCard("supervised", "sound", {}, classes, inputs, spec, True, 0)
    with Randomness(axis).scope():
        return Model(card, build_network(spec, inputs, 2))
