"""Cancelling takes effect within a tile or a step, however large a picture is.

A task is stopped between two events (`tasks.drive`), so what counts is how many pixels
go through the network between one event and the next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.insight import feature_table
from napari_contrastseg.learning.data import cohort
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.models import slice_tiles
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.pass_size import PassSize
from napari_contrastseg.tasks.drive import Cancelled, drive
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.tasks.feature_probe import FeatureProbe
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.round import run_round
from tests.kit import golden
from tests.kit.pictures import picture

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from napari_contrastseg.tasks.requests import TrainRequest

#: Pixels of a tile.
TILE = 2**14
STAGES = ("pretrain", "fine-tune", "predict", "embed")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pixels of each pass through a network; every picture is a large one."""
    found: list[int] = []
    encode = UNet.encode

    def counted(self: UNet, x: torch.Tensor) -> list[torch.Tensor]:
        found.append(len(x) * x.shape[-2] * x.shape[-1])
        return encode(self, x)

    def small(self: PassSize, *_: object) -> None:
        self.whole, self.tile = 0, TILE

    monkeypatch.setattr(UNet, "encode", counted)
    monkeypatch.setattr(PassSize, "__init__", small)
    monkeypatch.setattr(slice_tiles, "MOST_KEPT", 0)  # by tiles
    monkeypatch.setattr(cohort, "LARGE", 2**12)
    monkeypatch.setattr(feature_table, "LARGE", 2**12)
    monkeypatch.setattr(feature_table, "SIDE", 64)
    return found


def request() -> TrainRequest:
    """A picture of which a person painted a little, and two stages."""
    volume = replace(picture(140, 160), kind="stack")
    target = np.full(volume.shape, -1, np.int16)
    target[0, 20:40, 30:60] = 0
    target[0, 25:35, 40:50] = 1
    target[1, 110:120, 110:140] = 2
    entry = TrainingVolume(volume, target)
    return golden.request("simclr", steps=4, volumes=(entry,))


def stage_of(event: Any, names: Mapping[str, str]) -> str | None:
    if not isinstance(event, Progress):
        return None
    return names.get(event.stage, event.stage)


@pytest.mark.parametrize("stage", STAGES)
def test_little_is_computed_once_a_run_is_cancelled(
    stage: str, seen: list[int]
) -> None:
    run = resolve_here(request())
    names = {s.name: s.purpose for part in run.axes for s in part.stages}
    probe = FeatureProbe(count=60, seconds=0.0)
    between: list[int] = []
    before, stop_now = [0], [False]

    def report(event: Any) -> None:
        there = stage_of(event, names) == stage
        if there:
            between.append(sum(seen) - before[0])
        before[0] = sum(seen)
        stop_now[0] = there and len(between) > 2

    outcome = drive(run_round(run, probe=probe), report, lambda: stop_now[0])
    assert isinstance(outcome, Cancelled)
    assert 0 < max(between) <= TILE
    assert sum(seen) == before[0], "nothing once it is cancelled"
