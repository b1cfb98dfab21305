"""Models of format 1, which had one axis of the array for all volumes.

``model-format-1.zip`` was written by the code of de826a1: networks of axes 2, 0 and 1,
and what all of them and the first alone were sure of in a volume of cubes.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.slice_axis import SliceAxis
from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.learning.models.model import load_model, save_model
from tests.kit.training import whole_prediction

FIXTURE = Path(__file__).parents[3] / "fixtures" / "model-format-1.zip"
SHAPE = (16, 18, 20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The model of format 1."""
    with zipfile.ZipFile(FIXTURE) as archive:
        archive.extractall(tmp_path / "model")
    return tmp_path / "model"


def test_a_model_of_format_1_predicts_along_its_old_axes(
    folder: Path, tmp_path: Path
) -> None:
    values = (np.arange(np.prod(SHAPE)) * 7919 % 251).astype(np.int16).reshape(SHAPE)
    cubes = Volume("v", (values,), array_affine(np.ones(3)))
    model = load_model(folder)
    every = (model, *model.others)
    assert [one.card.input.slices for one in every] == [SliceAxis("array", 2)] * 3
    assert [one.card.input.axis for one in every] == [0, 1, 2]
    volume = model.card.input.slices.on(cubes)
    assert [volume.axis_of(one.card.input.axis) for one in every] == [2, 0, 1]
    save_model(tmp_path / "again", model)
    with zipfile.ZipFile(FIXTURE) as archive:
        for found in (model, load_model(tmp_path / "again")):
            for name, others in (("all", found.others), ("one", [])):
                was = np.load(io.BytesIO(archive.read(f"{name}.npy")))
                alone = replace(found, others=others)
                now = whole_prediction(alone, volume, torch.device("cpu"))
                assert np.abs(now.confidence - was).max() < 0.002


@pytest.mark.parametrize(
    ("old", "new"),
    [('"axis": 2', '"axis": 7'), ('"axis": 2', '"axis": "x"'), ('"input"', '"else"')],
)
def test_a_damaged_card_of_format_1_is_refused(
    folder: Path, old: str, new: str
) -> None:
    card = folder / "model.json"
    assert old in card.read_text()
    card.write_text(card.read_text().replace(old, new))
    with pytest.raises(InputError, match=r"model\.json"):
        load_model(folder)
