"""Eight small phantoms, and a small random forest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.bench.compare import random_forest as forest
from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
from napari_contrastseg.samples.samples import phantom

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (8, 24, 24)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight small phantoms as a data set."""
    root = tmp_path_factory.mktemp("data") / "set"
    entries = [
        LabelledVolume(s.volume, s.truth.astype(np.int16))
        for s in (phantom(i, SHAPE) for i in range(8))
    ]
    write_dataset(root, entries, {1: "core", 2: "shell"})
    return root


@pytest.fixture(autouse=True)
def _small_forest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "TREES", 8)
    monkeypatch.setattr(forest, "MOST_PIXELS", 3000)
    monkeypatch.setattr(forest, "SIGMAS", (0.5, 4.0))
