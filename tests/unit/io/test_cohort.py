"""A cohort is listed from names alone; its cases are read one by one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.io.cohort import find_cohort, read_case, read_case_labels
from napari_contrastseg.io.errors import InputError
from tests.kit import nifti

if TYPE_CHECKING:
    from pathlib import Path


def names_in(folder: Path) -> list[str]:
    return [case.id for case in find_cohort(folder).cases]


def test_hundreds_of_cases_are_listed_without_reading_an_image(tmp_path: Path) -> None:
    for number in range(500):
        (tmp_path / f"case {number:03d}.nii.gz").write_bytes(b"no image at all")
    (tmp_path / "notes.txt").write_text("no image")
    cohort = find_cohort(tmp_path)
    assert [case.id for case in cohort.cases] == [f"case {n:03d}" for n in range(500)]
    assert {case.label for case in cohort.cases} == {None}
    with pytest.raises(InputError, match="case 007"):
        read_case(cohort, cohort.cases[7])


def test_numbered_files_are_channels_where_all_cases_have_them(tmp_path: Path) -> None:
    for name in ("a_0000", "a_0001", "b_0000", "b_0001"):
        nifti.save(tmp_path / f"{name}.nii", np.ones((2, 3, 4)), np.eye(4))
    cohort = find_cohort(tmp_path)
    assert [(c.id, len(c.images)) for c in cohort.cases] == [("a", 2), ("b", 2)]
    assert len(read_case(cohort, cohort.cases[1]).data) == 2
    (tmp_path / "b_0001.nii").unlink()
    assert (
        names_in(tmp_path) == ["a_0000", "a_0001", "b_0000"]
        or len(names_in(tmp_path)) == 3
    )


def test_a_data_set_gives_cases_with_channels_and_labels(tmp_path: Path) -> None:
    for case in ("x", "y"):
        for channel in (0, 1):
            place = tmp_path / "imagesTr"
            place.mkdir(exist_ok=True)
            image = np.full((4, 3, 2), channel + 1.0)
            nifti.save(place / f"{case}_{channel:04d}.nii.gz", image, np.eye(4))
    (tmp_path / "labelsTr").mkdir()
    labels = np.zeros((4, 3, 2), np.uint8)
    labels[1, 1, 1], labels[2, 2, 0] = 1, 2
    nifti.save(tmp_path / "labelsTr" / "y.nii.gz", labels, np.eye(4))
    about = {
        "channel_names": {"0": "T1", "1": "T2"},
        "labels": {"background": 0, "liver": 1, "ignore": 2},
        "file_ending": ".nii.gz",
    }
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    cohort = find_cohort(tmp_path)
    first, second = cohort.cases
    volume = read_case(cohort, second)
    assert volume.channels == ("T1", "T2")
    assert [float(np.asarray(c).max()) for c in volume.data] == [1.0, 2.0]
    found = read_case_labels(cohort, second, volume)
    assert found is not None
    assert found.classes == {1: "liver"}
    assert sorted(np.unique(found.truth)) == [-1, 0, 1]
    assert read_case_labels(cohort, first, volume) is None


def test_what_holds_no_cases_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no images"):
        find_cohort(tmp_path)
    file = nifti.save(tmp_path / "one.nii", np.ones((2, 3, 4)), np.eye(4))
    with pytest.raises(InputError, match="is a file"):
        find_cohort(file)
