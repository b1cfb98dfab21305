"""Masks from files in the window: by their place, against SimpleITK and highdicom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk
from napari.layers import Image, Labels, Layer

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.plugin.reader import read
from napari_contrastseg.ui.viewer.image_layers import volume_from
from napari_contrastseg.ui.viewer.masks import (
    UndecidedError,
    find_mask,
    take_found,
    take_layer,
)
from tests.kit.nifti import save
from tests.kit.placed import PLACES
from tests.kit.segmentations import affine_of, labels_of, write_seg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

IMAGE = (12, 10, 8)
RNG = np.random.default_rng(5)


def layers_of(path: Path) -> list[Layer]:
    """Open a file with our reader, as napari does."""
    kinds: dict[str, Any] = {"image": Image, "labels": Labels}
    return [kinds[kind](data, **about) for data, about, kind in read(str(path))]


def session_of(path: Path) -> tuple[Session, Layer]:
    (layer,) = layers_of(path)
    session = Session()
    session.add_volume(volume_from([layer], "image"))
    return session, layer


def coarser(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(affine @ np.diag([2.1, 1.9, 1.45, 1]))


def turned(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turned by 20 degrees about the image's middle."""
    cos, sin = np.cos(np.radians(20)), np.sin(np.radians(20))
    turn, there = np.eye(4), np.eye(4)
    turn[:2, :2] = [[cos, -sin], [sin, cos]]
    there[:3, 3] = affine[:3, :3] @ (np.array(IMAGE) / 2) + affine[:3, 3]
    return np.asarray(there @ turn @ np.linalg.inv(there) @ affine)


def swapped(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """With its first two axes in the other order."""
    return np.asarray(affine[:, [1, 0, 2, 3]])


@pytest.mark.parametrize("place", ["anisotropic", "flipped", "oblique and permuted"])
@pytest.mark.parametrize("change", [coarser, turned, swapped])
def test_a_mask_on_another_grid_lies_where_itk_says(
    tmp_path: Path, place: str, change: Callable[..., NDArray[np.float64]]
) -> None:
    affine = PLACES[place]
    image = save(
        tmp_path / "image.nii.gz", RNG.normal(0, 9, IMAGE).astype(np.float32), affine
    )
    labels = RNG.integers(0, 3, (11, 9, 7)).astype(np.uint8)
    mask = save(tmp_path / "mask.nii.gz", labels, change(affine))
    session, reference = session_of(image)
    record = session.records["image"]
    (layer,) = layers_of(mask)
    with pytest.raises(UndecidedError, match="nearest label") as caught:
        take_layer(session, "image", layer, all_done=True, reference=reference)
    found = caught.value.found
    take_found(session, found, found.examined, all_done=True)
    theirs = [sitk.ReadImage(str(path)) for path in (mask, image)]
    wanted = sitk.Resample(*theirs, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    theirs[0] = theirs[0] * 0 + 1
    inside = sitk.Resample(*theirs, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    by_itk, known = (
        sitk.GetArrayFromImage(one).transpose() for one in (wanted, inside)
    )
    ours = record.volume.source.to_file_order(record.truth)
    assert (known > 0).any()
    differ = (ours != by_itk) & (known > 0)
    assert differ.mean() < 0.01, "ties of two voxels as near"


@pytest.mark.parametrize("place", ["as ITK stores axial scans", "oblique"])
def test_a_dicom_segmentation_comes_onto_the_images_slices(
    tmp_path: Path, place: str
) -> None:
    """With its names and colours; where it has no frames there is background."""
    labels = labels_of()
    series, path = write_seg(tmp_path, labels, affine_of(place))
    session, reference = session_of(series)
    session.add_class()
    (layer,) = layers_of(path)
    assert isinstance(layer, Labels)
    found = find_mask(session, "image", layer, reference)
    take_found(session, found, found.examined, all_done=True)
    record = session.records["image"]
    assert np.array_equal(record.volume.source.to_file_order(record.ink), labels)
    assert (record.status == Status.DONE).all()
    assert [(c.id, c.name) for c in session.classes] == [
        (1, "left lung"),
        (2, "tumour"),
    ]


def test_a_segmentation_of_another_patient_is_refused(tmp_path: Path) -> None:
    elsewhere = affine_of("flipped")
    elsewhere[:3, 3] += 900
    _, path = write_seg(tmp_path / "a", labels_of(), affine_of("flipped"))
    series, _ = write_seg(tmp_path / "b", labels_of(), elsewhere)
    session, reference = session_of(series)
    (layer,) = layers_of(path)
    with pytest.raises(InputError, match="lies elsewhere than image"):
        take_layer(session, "image", layer, all_done=True, reference=reference)
    assert not session.records["image"].status.any()


def test_one_slice_is_not_taken_for_the_first_of_many() -> None:
    image = Image(RNG.normal(0, 9, (5, 8, 9)), scale=(2, 1, 1), name="image")
    session = Session()
    session.add_volume(volume_from([image], "image"))
    layer = Labels(np.ones((8, 9), np.uint8), scale=(0.5, 0.5))
    with pytest.raises(InputError, match="is one slice, and image has 5"):
        take_layer(session, "image", layer, all_done=True, reference=image)
