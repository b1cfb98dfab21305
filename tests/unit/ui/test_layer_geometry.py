"""Layers of any reader: the file's own axes, channels and place are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from napari.layers import Image
from PIL import Image as Picture

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.session.session import Session
from napari_contrastseg.ui.viewer.image_layers import (
    needs_own_layers,
    size_known,
    volume_from,
)
from napari_contrastseg.ui.viewer.masks import take_layer as take_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.ui.data.controller import DataController
    from napari_contrastseg.ui.workspace import Workspace

pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")  # napari's
RNG = np.random.default_rng(0)
AFFINE = np.array([[0, 1.2, 0, 5], [-1.0, 0, 0, -7], [0, 0, 3.0, 9], [0, 0, 0, 1.0]])
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]) @ np.diag(
    [1, 1, 2]
)
CUBE = RNG.integers(0, 200, (6, 6, 6)).astype(np.int16)
LONG = RNG.integers(0, 200, (7, 6, 5)).astype(np.int16)


def layer_of(path: Path, data: NDArray[Any], **about: Any) -> Image:
    """A layer as another reader makes it."""
    layer = Image(data, name=path.name, **about)
    layer._source = layer.source.model_copy(update={"path": str(path)})
    return layer


def nifti(path: Path, affine: NDArray[np.float64], values: NDArray[Any]) -> Path:
    nib.Nifti1Image(values, affine).to_filename(path)
    return path


ORDERS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "as in the file": lambda a: a,
    "turned round": lambda a: a.transpose(),
}


@pytest.mark.parametrize("affine", [AFFINE, OBLIQUE, np.eye(4)])
@pytest.mark.parametrize("values", [CUBE, LONG])
@pytest.mark.parametrize("order", ORDERS)
def test_a_nifti_file_of_another_reader_is_read_as_ours(
    tmp_path: Path, affine: NDArray[np.float64], values: NDArray[Any], order: str
) -> None:
    """Whatever its order and place in the viewer."""
    path = nifti(tmp_path / "a.nii.gz", affine, values)
    ours = read_volume(path)
    for about in ({}, {"scale": (3, 1, 1)}, {"affine": OBLIQUE}):
        layer = layer_of(path, ORDERS[order](values), **about)
        found = volume_from([layer], "a")
        assert np.array_equal(found.data[0], ours.data[0])
        assert np.array_equal(found.affine, ours.affine)
        assert (found.source, found.axis) == (ours.source, ours.axis)
        assert needs_own_layers([layer], found)


def test_values_that_were_changed_are_the_layers_own(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii.gz", AFFINE, LONG)
    layer = layer_of(path, LONG + 1, scale=(3, 1, 1))
    found = volume_from([layer], "a")
    assert np.array_equal(found.data[0], LONG + 1)
    assert found.source.path is None
    assert found.spacing.tolist() == [3, 1, 1]
    assert not needs_own_layers([layer], found)


def test_a_picture_of_known_size_has_the_files_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    stack = np.moveaxis(LONG, -1, 0).astype(np.uint16)
    about = {"spacing": 3.0, "unit": "um", "axes": "ZYX"}
    tifffile.imwrite(path, stack, imagej=True, resolution=(2, 2), metadata=about)
    layer = layer_of(path, stack)
    found = volume_from([layer], "a")
    assert found.spacing == pytest.approx([3e-3, 0.5e-3, 0.5e-3])
    assert size_known(found)
    assert needs_own_layers([layer], found), "it is shown with cubes"


@pytest.mark.parametrize("ending", [".tif", ".png"])
def test_a_layer_may_say_what_its_file_does_not(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    plane = LONG[0].astype(np.uint8)
    if ending == ".tif":
        tifffile.imwrite(path, plane)
    else:
        Picture.fromarray(plane).save(path)
    plain = volume_from([layer_of(path, plane)], "a")
    assert not size_known(plain)
    assert not needs_own_layers([layer_of(path, plane)], plain)
    scaled = layer_of(path, plane, scale=(0.2, 0.2))
    found = volume_from([scaled], "a")
    assert found.spacing[1:] == pytest.approx([0.2, 0.2])
    assert found.source.path == path
    assert not needs_own_layers([scaled], found)


def channels_file(path: Path) -> tuple[NDArray[Any], list[Any]]:
    """An ImageJ stack of channels, (z, channel, y, x)."""
    stack = RNG.integers(0, 900, (5, 2, 8, 9)).astype(np.uint16)
    about = {"spacing": 2.0, "unit": "mm", "axes": "ZCYX"}
    tifffile.imwrite(path, stack, imagej=True, resolution=(1, 1), metadata=about)
    return stack, [stack[:, 0], stack[:, 1]]


def test_a_stack_of_channels_is_shown_at_its_middle(
    workspace: Workspace, data: DataController, tmp_path: Path
) -> None:
    """Its slider stood at a channel, which is no slice."""
    path = tmp_path / "a.tif"
    stack, _ = channels_file(path)
    layer = workspace.viewer.add_layer(layer_of(path, stack))
    workspace.viewer.dims.set_point(1, 0)
    data.add_layers([layer])
    assert workspace.current_slice == 2


def test_channels_are_no_slices(tmp_path: Path) -> None:
    """A file's channel axis in one layer, or a layer a channel: one volume."""
    path = tmp_path / "a.tif"
    stack, parts = channels_file(path)
    chosen: Sequence[Sequence[Image]] = (
        [layer_of(path, stack)],
        [layer_of(path, part) for part in parts],
    )
    for layers in chosen:
        found = volume_from(layers, "a")
        assert found.shape == (5, 8, 9)
        assert len(found.data) == 2
        for channel, part in zip(found.data, parts, strict=True):
            assert np.array_equal(channel, part)
        assert found.spacing == pytest.approx([2, 1, 1])
        assert needs_own_layers(layers, found)


@pytest.mark.parametrize("affine", [AFFINE, OBLIQUE])
@pytest.mark.parametrize("order", ORDERS)
def test_a_mask_of_another_reader_lies_where_its_file_says(
    tmp_path: Path, affine: NDArray[np.float64], order: str
) -> None:
    """Voxel by voxel in the viewer it would be transposed, or mirrored."""
    image = read_volume(nifti(tmp_path / "a.nii.gz", affine, CUBE))
    labels = (CUBE > 120).astype(np.uint8)
    path = nifti(tmp_path / "m.nii.gz", affine, labels)
    session = Session()
    session.add_volume(image)
    layer = layer_of(path, ORDERS[order](labels))
    assert not take_mask(session, "a", layer, all_done=True)
    ink = session.records["a"].ink
    assert np.array_equal(image.source.to_file_order(ink), labels)
    moved = affine.copy()
    moved[:3, 3] += 0.3
    layer = layer_of(nifti(tmp_path / "n.nii.gz", moved, labels), labels)
    with pytest.raises(InputError, match="lies elsewhere"):
        take_mask(session, "a", layer, all_done=True)
