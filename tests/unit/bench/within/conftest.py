"""Three small phantoms, two of which have labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
from napari_contrastseg.samples.samples import phantom

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (14, 24, 24)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms as a data set: slices along the files' last axis."""
    root = tmp_path_factory.mktemp("data") / "set"
    samples = [phantom(i, SHAPE) for i in range(3)]
    truths = [sample.truth.astype(np.int16) for sample in samples]
    truths[2][:] = -1
    entries = [
        LabelledVolume(s.volume, t) for s, t in zip(samples, truths, strict=True)
    ]
    write_dataset(root, entries, {1: "core", 2: "shell"})
    return root
