"""Similarity is the cosine of features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from napari_contrastseg.learning.data.input_spec import InputSpec
from napari_contrastseg.learning.data.slice_reader import SliceReader
from napari_contrastseg.learning.models.card import ModelCard, ModelClass
from napari_contrastseg.learning.models.model import Model, build_network
from napari_contrastseg.learning.models.slice_tiles import bytes_per_pixel
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.runtime import pass_size
from napari_contrastseg.learning.runtime.pass_size import PassSize
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks.similar import (
    SimilarRequest,
    SimilarSlice,
    outwards,
    similar,
)
from tests.kit.pictures import picture
from tests.kit.sessions import SHAPE

if TYPE_CHECKING:
    from numpy.typing import NDArray


def a_model(axis: int, spacing: NDArray[Any]) -> Model:
    """A small network that has learned nothing."""
    spec = NetworkSpec(widths=(4, 8))
    row, column = np.delete(spacing, axis).tolist()
    inputs = InputSpec(("image",), axis, 0, (row, column), ())
    classes = (ModelClass(1, "a"),)
    card = ModelCard("supervised", "sound", {}, classes, inputs, spec, False, 0)
    return Model(card, build_network(spec, inputs, 1))


@pytest.mark.parametrize("axis", [0, 2])
def test_similarity_is_the_cosine_of_features(axis: int) -> None:
    """Against the definition; the shown slice comes first, the network stays."""
    volume = phantom(0, SHAPE).volume
    model = a_model(axis, volume.spacing)
    voxel = (3, 5, 6)
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    events = similar(SimilarRequest(model, volume, voxel, first=2))
    found = [event for event in events if isinstance(event, SimilarSlice)]
    assert [s.index for s in found] == outwards(2, SHAPE[axis])
    assert [s.index for s in found][:4] == [2, 1, 3, 0]
    whole = np.zeros(SHAPE, np.uint8)
    for one in found:
        np.moveaxis(whole, axis, 0)[one.index] = one.similarity
    assert whole[voxel] == 255
    reader = SliceReader(volume, model.card.input)
    images = torch.stack([reader.image(i) for i in range(SHAPE[axis])])
    with torch.no_grad():
        maps = functional.normalize(model.network.eval().tap(images, "dec1"), dim=1)
    everywhere = maps.movedim(1, -1).movedim(0, axis).numpy()
    cosine = (everywhere @ everywhere[voxel]).clip(0, 1)
    assert np.abs(whole / 255 - cosine).max() < 3e-3
    network = model.network
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())


def test_large_slices_are_compared_part_by_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nearly as whole ones; what is said in between lets the task be stopped."""
    volume = picture(300, 340)
    with Randomness(0).scope():
        model = a_model(0, volume.spacing)
    request = SimilarRequest(model, volume, (1, 50, 60), first=1)
    whole = [e for e in similar(request) if isinstance(e, SimilarSlice)]
    monkeypatch.setattr(PassSize, "slices", lambda *_: 0)
    each = bytes_per_pixel(model.network)
    monkeypatch.setattr(pass_size, "TILE_ON_CPU", 2**15 * each)
    events = list(similar(request))
    parts = [e for e in events if isinstance(e, SimilarSlice)]
    assert len(events) - len(parts) > 8
    assert [e.index for e in parts] == [e.index for e in whole]
    assert parts[0].similarity[50, 60] == 255
    for mine, theirs in zip(parts, whole, strict=True):
        apart = mine.similarity.astype(int) - theirs.similarity
        assert np.abs(apart).mean() < 12
