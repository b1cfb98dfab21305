"""Three small phantoms, two of which have labels; cells run in this process."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.bench.within import annotate, answers, run_cells
from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
from napari_contrastseg.samples.samples import phantom

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_contrastseg.bench.measure.subprocess_runner import Job

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


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run in this process what would have one of its own; the names of it."""
    names: list[str] = []

    def here(jobs: Sequence[Job], _: int) -> Iterator[tuple[int, str | None]]:
        for number, job in enumerate(jobs):
            names.append(job.log.stem)
            import_module(job.module).main(*job.arguments)
            yield number, None

    monkeypatch.setattr(run_cells, "run_parallel", here)
    for module in (annotate, answers):  # all tests after this one would be slow
        monkeypatch.setattr(module, "lower_priority", lambda _: None)
    return names
