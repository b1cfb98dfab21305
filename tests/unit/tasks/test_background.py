from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_contrastseg.insight.pixel_maps import CHANNELS, PixelMaps
from napari_contrastseg.learning.data.slice_reader import SliceReader
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks import background
from napari_contrastseg.tasks.background import Learned, learn_in_background, maps_of
from napari_contrastseg.tasks.events import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from napari_contrastseg.tasks.resolve import ResolvedTraining


def test_a_network_learns_from_images_alone_and_its_maps_are_given() -> None:
    volume = phantom(0).volume
    events = list(learn_in_background([volume], steps=2))
    assert any(isinstance(event, Progress) for event in events)
    learned = events[-1]
    assert isinstance(learned, Learned)
    assert not learned.model.network.training
    maps = maps_of(learned.model, volume, volume.shape[1:])
    found = maps(7)
    assert found.shape == (CHANNELS, *volume.shape[1:])
    assert np.isfinite(found).all()
    coarse = maps_of(learned.model, volume, (20, 20))(7)
    assert coarse.shape == (CHANNELS, 20, 20)

    # the first channels differ most
    spread = found.reshape(CHANNELS, -1).std(axis=1)
    assert spread[:4].mean() > spread[-4:].mean()


def test_large_slices_are_looked_at_coarsely(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def nothing(run: ResolvedTraining) -> Iterator[Any]:
        asked.append((run.stages[0].view.batch, run.plan.coarser))
        return iter(())

    monkeypatch.setattr(background, "train", nothing)
    for side in (40, 200, 512):
        volume = replace(phantom(0, (4, side, side)).volume, id=str(side))
        assert not list(learn_in_background([volume]))
    small, middle, (batch, coarser) = asked
    assert small == (16, 1)
    assert middle[0] == 4
    assert 2 * batch * (512 / coarser) ** 2 <= 1.01 * background.PIXELS


def test_maps_are_linear_in_every_level_of_the_network() -> None:
    volume = phantom(0).volume
    *_, learned = learn_in_background([volume], steps=1)
    assert isinstance(learned, Learned)
    found = PixelMaps(learned.model, volume, volume.shape[1:]).at(3)
    image = SliceReader(volume, learned.model.card.input).image(3)[None]
    with torch.inference_mode():
        pyramid = learned.model.network.encode(image)
        maps = [*pyramid, *learned.model.network.decode(pyramid)]
        full = [
            torch.nn.functional.interpolate(m, (40, 40), mode="bilinear") for m in maps
        ]
    seen = torch.cat(full, dim=1)[0].flatten(1).T.double().numpy()
    seen = np.column_stack([seen, np.ones(len(seen))])
    wanted = found.reshape(CHANNELS, -1).T
    fitted = seen @ np.linalg.lstsq(seen, wanted, rcond=None)[0]
    np.testing.assert_allclose(fitted, wanted, atol=0.05 * wanted.std())
