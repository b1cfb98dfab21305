"""Simulated annotation needs labels."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from napari_contrastseg.bench.simulate.annotate import SimulationRequest, annotate
from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def test_annotate_sim_needs_labels(dataset: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(dataset, bare, ignore=shutil.ignore_patterns("labelsTr"))
    with pytest.raises(InputError, match="no training case has labels"):
        list(annotate(SimulationRequest(bare, "supervised", (3,))))
