from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks import background
from napari_contrastseg.tasks.background import Learned, learn_in_background
from napari_contrastseg.tasks.events import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from napari_contrastseg.tasks.resolved import ResolvedTraining


def test_a_network_learns_from_images_alone() -> None:
    volume = phantom(0).volume
    events = list(learn_in_background([volume], steps=2))
    assert any(isinstance(event, Progress) for event in events)
    learned = events[-1]
    assert isinstance(learned, Learned)
    assert not learned.model.network.training


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
