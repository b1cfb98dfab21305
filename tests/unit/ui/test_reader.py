"""napari's reader: all channels of a file come as layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
import tifffile
from napari.layers import Image, Layer

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.ui.plugin.reader import get_reader, read
from napari_contrastseg.ui.viewer.image_layers import volume_from

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.ui.data.controller import DataController
    from napari_contrastseg.ui.workspace import Workspace


def test_each_channel_of_a_file_is_a_layer(tmp_path: Path) -> None:
    channels = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    path = tmp_path / "two.tif"
    stored = channels.swapaxes(0, 1)  # ImageJ's order is z, c, y, x
    tifffile.imwrite(path, stored, imagej=True, metadata={"axes": "ZCYX"})
    read = get_reader(str(path))
    assert read is not None
    made = read([str(path)])
    assert len(made) == 2
    layers = []
    for channel, (data, about, kind) in zip(channels, made, strict=True):
        assert kind == "image"
        assert np.array_equal(data, channel)
        layers.append(Image(data, **about))
    volume = volume_from(layers, "two")
    assert np.array_equal(np.stack(volume.data), channels)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([0, 1, 2]), "labels"),
        (np.array([0.0, 1.0]), "labels"),
        (np.array([0, 255]), "labels"),
        (np.array([0, 0.5, 1.0]), "image"),
        (np.array([3, 4, 5]), "image"),
        (np.arange(40), "image"),
        (np.array([0, 0, 0]), "image"),
        (np.array([0.0, np.nan, 1.0]), "image"),
    ],
)
def test_a_mask_opens_as_labels_and_an_image_as_an_image(
    values: np.ndarray, kind: str, tmp_path: Path
) -> None:
    stored = np.resize(values, (6, 7, 8)).astype(np.float32)
    path = tmp_path / "a.nii.gz"
    nib.Nifti1Image(stored, np.eye(4)).to_filename(path)
    ((data, _, found),) = read(str(path))
    assert found == kind
    assert np.array_equal(np.unique(data), np.unique(stored), equal_nan=True)


def test_a_mask_stands_behind_the_image_and_is_taken_in_its_place(
    workspace: Workspace, data: DataController, tmp_path: Path
) -> None:
    """The mask's file is opened first, and by another reader once more."""
    sample = phantom(0)
    image = np.asarray(sample.volume.data[0]).T
    for name, values in (("truth", sample.truth.T.astype(np.float64)), ("t1", image)):
        path = tmp_path / f"{name}.nii.gz"
        nib.Nifti1Image(values, np.diag([1.0, 1, 3, 1])).to_filename(path)
        for made in read(str(path)):
            workspace.viewer.add_layer(Layer.create(*made))
    workspace.viewer.add_image(sample.truth, name="case_seg")
    workspace.viewer.layers.move(2, 0)
    assert data.state().images == ("t1", "case_seg")
    assert data.state().masks[:2] == ("case_seg", "truth")
    data.add_image(0)
    (record,) = workspace.session.records.values()
    data.masks.take_free(data.state().masks.index("truth"), True)
    want = np.sort(np.unique(sample.truth, return_counts=True)[1])
    assert np.array_equal(np.sort(np.unique(record.ink, return_counts=True)[1]), want)
    turns = [np.flip(sample.truth, axis) for axis in ((), 1, 2, (1, 2))]
    assert any(np.array_equal(record.ink, turned) for turned in turns)
