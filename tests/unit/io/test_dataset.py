"""Data sets in nnU-Net's layout: written, read, refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.io import dataset as ds
from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.samples.samples import phantom
from tests.kit.nifti import load, save
from tests.kit.nrrd_segments import with_segments

if TYPE_CHECKING:
    from pathlib import Path


def make_dataset(root: Path, count: int = 4) -> ds.Dataset:
    entries = [
        ds.LabelledVolume(s.volume, s.truth.astype(np.int16))
        for s in (phantom(i) for i in range(count))
    ]
    ds.write_dataset(root, entries, {1: "core", 2: "shell"})
    return ds.read_dataset(root)


def test_dataset_round_trip(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "set")
    assert dataset.classes == {1: "core", 2: "shell"}
    assert dataset.ignore == 3
    case = dataset.cases[0]
    volume = ds.read_image(case.images, case.id)
    truth = ds.read_truth(dataset, case, volume)
    original = phantom(0)
    assert np.array_equal(truth, original.truth)
    assert np.allclose(volume.affine, original.volume.affine)
    assert np.allclose(volume.data[0], original.volume.data[0])


def test_unknown_label_values_are_named(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "set", 1)
    about = tmp_path / "set" / "dataset.json"
    value = json.loads(about.read_text())
    del value["labels"]["shell"]
    about.write_text(json.dumps(value))
    dataset = ds.read_dataset(tmp_path / "set")
    case = dataset.cases[0]
    with pytest.raises(InputError, match=r"values \[2\]"):
        ds.read_truth(dataset, case, ds.read_image(case.images, case.id))


def test_a_label_that_names_its_values_otherwise_is_refused(tmp_path: Path) -> None:
    """Its numbers would be trained as other classes than they are."""
    plain = save(tmp_path / "a.nii", phantom(0).truth.astype(np.uint8), np.eye(4))
    root = tmp_path / "set"
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True)
    about = {"channel_names": {"0": "CT"}, "file_ending": ".nrrd"}
    labels = {"background": 0, "core": 1, "shell": 2}
    (root / "dataset.json").write_text(json.dumps(about | {"labels": labels}))
    with_segments(plain, root / "imagesTr" / "a_0000.nrrd", {})
    label = with_segments(plain, root / "labelsTr" / "a.nrrd", {1: "Core", 2: "shell"})
    dataset = ds.read_dataset(root)
    volume = dataset.read(dataset.case("a"))
    assert np.array_equal(
        volume.source.to_file_order(ds.read_truth(dataset, dataset.case("a"), volume)),
        phantom(0).truth,
    )
    with_segments(plain, label, {1: "shell", 2: "core"})
    with pytest.raises(InputError, match=r"a.nrrd: calls the value 1 'shell', but"):
        ds.read_truth(dataset, dataset.case("a"), volume)


def test_labels_of_0_and_255_are_those_of_the_one_class(tmp_path: Path) -> None:
    entry = ds.LabelledVolume(
        phantom(0).volume, (phantom(0).truth > 0).astype(np.int16)
    )
    ds.write_dataset(tmp_path / "set", [entry], {1: "core"})
    dataset = ds.read_dataset(tmp_path / "set")
    case = dataset.cases[0]
    assert case.label is not None
    held = load(case.label)
    save(case.label, np.asarray(held.dataobj) * np.uint8(255), held.affine)
    volume = ds.read_image(case.images, case.id)
    assert np.array_equal(ds.read_truth(dataset, case, volume), entry.truth)


def test_labels_of_another_shape_are_refused(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "set", 1)
    case = dataset.cases[0]
    assert case.label is not None
    save(case.label, np.zeros((3, 4, 5), np.uint8), np.eye(4))
    with pytest.raises(InputError, match=r"\(3, 4, 5\).*\(16, 40, 40\)"):
        ds.read_truth(dataset, case, ds.read_image(case.images, case.id))


def test_labels_that_lie_elsewhere_are_refused(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "set", 1)
    case = dataset.cases[0]
    assert case.label is not None
    label = load(case.label)
    moved = label.affine.copy()
    moved[0, 3] += 5
    save(case.label, np.asarray(label.dataobj), moved)
    with pytest.raises(InputError, match="elsewhere in the world"):
        ds.read_truth(dataset, case, ds.read_image(case.images, case.id))


def test_two_classes_of_one_name_are_not_exported(tmp_path: Path) -> None:
    sample = phantom(0)
    entry = LabelledVolume(sample.volume, sample.truth.astype(np.int16))
    for names in ({1: "core", 2: "core"}, {1: "ignore", 2: "shell"}):
        with pytest.raises(InputError, match="Two classes would be called"):
            write_dataset(tmp_path / "set", [entry], names)
    assert not (tmp_path / "set").exists()


def test_capitals_in_an_ending_do_not_part_a_case_from_its_label(
    tmp_path: Path,
) -> None:
    make_dataset(tmp_path, 2)
    for file in ("imagesTr/phantom_000_0000", "labelsTr/phantom_001"):
        (tmp_path / f"{file}.nii.gz").rename(tmp_path / f"{file}.NII.GZ")
    assert all(case.label for case in ds.read_dataset(tmp_path).cases)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"background": 1, "core": 0, "shell": 2}, "background is 0"),
        ({"background": 0, "core": 1, "Ignore": 2}, "write 'ignore' if it marks"),
        ({"background": 0, " ": 1, "shell": 2}, "no name for the label 1"),
    ],
)
def test_names_that_would_be_read_as_something_else_are_refused(
    tmp_path: Path, labels: dict[str, int], words: str
) -> None:
    make_dataset(tmp_path, 1)
    about = tmp_path / "dataset.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"labels": labels}))
    with pytest.raises(InputError, match=words):
        ds.read_dataset(tmp_path)
