"""The embedding of a round, and its scores of slices."""

from __future__ import annotations

import numpy as np

from napari_contrastseg.learning.data.input_spec import InputSpec
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.models.card import ModelCard, ModelClass
from napari_contrastseg.learning.models.model import Model, build_network
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks.round import EmbedRequest, SlicesScored, embed


def test_slices_are_judged_along_the_sessions_axis() -> None:
    """A model of another axis may have predicted them."""
    sample = phantom(0, (5, 19, 21))
    volumes = (TrainingVolume(sample.volume, sample.truth.astype(np.int16)),)
    spec, network = InputSpec(("image",), 2, 0, (1.0, 1.0), ()), NetworkSpec((4, 8))
    classes = (ModelClass(1, "core"), ModelClass(2, "shell"))
    card = ModelCard("supervised", "sound", {}, classes, spec, network, False, 0)
    model = Model(card, build_network(network, spec, 2))
    sure = np.ones(sample.truth.shape, np.float16)
    found = {sample.volume.id: (sample.truth.astype(np.uint8), sure)}
    events = list(embed(EmbedRequest(model, volumes, found)))
    (judged,) = (event for event in events if isinstance(event, SlicesScored))
    assert len(judged.scores.area) == 5
