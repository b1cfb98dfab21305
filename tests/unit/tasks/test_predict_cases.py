"""Masks of a cohort's cases in a folder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from napari_contrastseg.io.cohort import Cohort
from napari_contrastseg.io.dataset import Case
from napari_contrastseg.io.images import read_labels, read_volume
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.volume_record import Proposal
from napari_contrastseg.tasks.predict_cases import CaseWork, into_folder
from tests.kit.nifti import save

if TYPE_CHECKING:
    from pathlib import Path


def test_each_mask_has_the_format_of_its_image(tmp_path: Path) -> None:
    """So that it lies on it in other programs, as the masks of `predict` do."""
    pixels = np.zeros((4, 6, 9), np.uint8)
    tifffile.imwrite(tmp_path / "t.tif", pixels, photometric="minisblack")
    save(tmp_path / "n.nii", pixels, np.eye(4))
    images = [tmp_path / name for name in ("t.tif", "n.nii", "gone.dcm")]
    cases = tuple(Case(image.stem, (image,), None) for image in images)
    session = Session()
    session.set_cohort(Cohort(tmp_path, cases))
    keep = into_folder(session, tmp_path / "out", overwrite=False)
    for image in images[:2]:
        volume = read_volume(image)
        labels = np.random.default_rng(0).integers(0, 3, volume.shape).astype(np.uint8)
        found = Proposal(1, labels, np.ones(volume.shape, np.float16))
        list(keep(CaseWork(image.stem, partial(read_volume, image)), volume, found))
        assert np.array_equal(
            read_labels(tmp_path / "out" / image.name).data[0], labels
        )
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"t.tif", "n.nii"}
