"""Simulated annotation needs labels, and labels as many slices as it was asked for."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.bench.compare import peers
from napari_contrastseg.bench.simulate.annotate import SimulationRequest, annotate
from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.learning.models.predict import Prediction
from napari_contrastseg.query.strategy import MOST

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path


def test_annotate_sim_needs_labels(dataset: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(dataset, bare, ignore=shutil.ignore_patterns("labelsTr"))
    with pytest.raises(InputError, match="no training case has labels"):
        list(annotate(SimulationRequest(bare, "supervised", (3,))))


class Background:
    """Predicts background everywhere."""

    def predict(self, volumes: Iterable[Volume]) -> Iterator[tuple[Volume, Prediction]]:
        for volume in volumes:
            empty = np.zeros(volume.shape, np.uint8)
            yield volume, Prediction(empty, np.full(volume.shape, 0.5, np.float16))


def learn_nothing(_request: object) -> Generator[None, None, Background]:
    yield from ()
    return Background()


@pytest.mark.parametrize(
    "suggest", [pytest.param("random", marks=pytest.mark.slow), "expected_error"]
)
def test_more_slices_are_labelled_than_the_window_suggests(
    suggest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "learn", learn_nothing)
    shape, entries = (MOST + 40, 4, 4), []
    for name in "ab":
        volume = Volume(
            name, (np.zeros(shape, np.uint8),), array_affine(np.array([3, 1, 1]))
        )
        entries.append(LabelledVolume(volume, np.ones(shape, np.int16)))
    write_dataset(tmp_path / "long", entries, {1: "all"})
    wanted = (2, MOST + 30)
    asked = SimulationRequest(tmp_path / "long", "supervised", wanted, suggest=suggest)
    *_, report = annotate(asked)
    assert isinstance(report, dict)
    assert tuple(point["slices"] for point in report["points"]) == wanted
