"""DICOM segmentations, read by highdicom: the right slices, corners, names, codes."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import highdicom
import numpy as np
import pydicom
import pytest

from napari_contrastseg.io.choice import Choice
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.session.mask_ink import take_ink
from napari_contrastseg.session.session import Session
from napari_contrastseg.tasks.exports import Output, export_named
from tests.kit.dicom_series import write_series
from tests.kit.placed import PLACES, SHAPE, labels_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RIGHT_HANDED = [
    name
    for name, affine in PLACES.items()
    if np.linalg.det(np.diag([-1, -1, 1]) @ affine[:3, :3]) > 0
]


def a_session(folder: Path, labels: NDArray[np.uint8] | None, **choice: Any) -> Session:
    session = Session()
    session.add_volume(read_volume(folder, choice=Choice(**choice)))
    session.add_class("core")
    session.add_class("outer shell")
    (record,) = session.records.values()
    if labels is None:
        ink = np.zeros(record.volume.shape, np.uint8)
        ink[1:4, 2:5, 2:4] = 2
    else:
        ink = np.asarray(record.volume.source.to_volume_order(labels))
    take_ink(session, folder.name, ink, done="all")
    return session


def exported(session: Session, folder: Path, **options: Any) -> Any:
    export = export_named("dicom_seg")
    chosen = replace(export.options, **options)
    (path,) = export.write(session, chosen, Output(folder))
    return highdicom.seg.segread(path)


def values() -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 999, SHAPE).astype(np.uint16)


@pytest.mark.parametrize("place", RIGHT_HANDED)
def test_each_voxel_lies_on_the_slice_it_was_painted_on(
    place: str, tmp_path: Path
) -> None:
    labels, affine = labels_of(), PLACES[place]
    folder = write_series(tmp_path / "scan", values(), affine)
    found = exported(a_session(folder, labels), tmp_path / "out")
    files = [pydicom.dcmread(path) for path in folder.iterdir()]
    files.sort(key=lambda one: int(one.InstanceNumber))
    wanted = [one.SOPInstanceUID for one in files]
    by_slice = found.get_pixels_by_source_instance(wanted, combine_segments=True)
    assert np.array_equal(by_slice.transpose(2, 1, 0), labels)
    volume = found.get_volume(combine_segments=True)
    inside, ours = np.argwhere(volume.array), np.argwhere(labels)
    theirs = (np.c_[inside, np.ones(len(inside))] @ volume.affine.T)[:, :3]
    mine = (np.c_[ours, np.ones(len(ours))] @ affine.T)[:, :3] * (-1, -1, 1)
    apart = np.linalg.norm(theirs[:, None] - mine[None], axis=-1)
    assert len(inside) == len(ours)
    assert apart.min(0).max() < 1e-3


def test_the_real_oblique_scan_opens_on_its_slices(
    data_root: Path, tmp_path: Path
) -> None:
    folder = data_root / "DICOM" / "mr_t1"
    if not folder.is_dir():
        pytest.skip("no oblique scan among the real data")
    session = a_session(folder, None)
    (record,) = session.records.values()
    found = exported(session, tmp_path)
    labels = record.volume.source.to_file_order(np.asarray(record.ink))
    files = [pydicom.dcmread(p, stop_before_pixels=True) for p in folder.iterdir()]
    normal = np.cross(*np.reshape(files[0].ImageOrientationPatient, (2, 3)))
    files.sort(key=lambda one: float(normal @ np.array(one.ImagePositionPatient)))
    wanted = [one.SOPInstanceUID for one in files]
    by_slice = found.get_pixels_by_source_instance(
        wanted, combine_segments=True, ignore_spatial_locations=True
    )
    assert np.array_equal(by_slice.transpose(2, 1, 0), labels)


def test_names_colours_and_codes(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "scan", values(), PLACES[RIGHT_HANDED[0]])
    session = a_session(folder, labels_of())
    found = exported(session, tmp_path / "out", codes="core = SCT 10200004 Liver; ")
    first, second = (found.get_segment_description(n) for n in (1, 2))
    assert [first.segment_label, second.segment_label] == ["core", "outer shell"]
    assert first.segmented_property_type.value == "10200004"
    assert first.segmented_property_type.meaning == "Liver"
    assert second.segmented_property_type.meaning == "Tissue"
    assert found.PatientName == "DOE^JANE"
    assert found.Manufacturer == "napari-contrastseg"
    with pytest.raises(InputError, match="codes: 'core SCT 1' is not of the form"):
        exported(session, tmp_path / "b", codes="core SCT 1")
    with pytest.raises(InputError, match="codes: there is no class 'lung'"):
        exported(session, tmp_path / "b", codes="lung = SCT 39607008 Lung")
    assert not (tmp_path / "b").exists()


def named(session: Session, *names: str) -> Session:
    for one, name in zip(session.classes, names, strict=True):
        session.change_class(one.id, name=name)
    return session


def labels_in(found: Any) -> list[str]:
    return [str(found.get_segment_description(n).segment_label) for n in (1, 2)]


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (("gauche é", "左"), ["gauche é", "左"]),
        (("left\\right", "a\nb"), ["left right", "a b"]),
        (("x" * 80 + "1", "x" * 80 + "2"), ["x" * 64, "x" * 58]),
    ],
)
def test_labels_are_what_dicom_can_hold_and_differ(
    names: tuple[str, str], labels: list[str], tmp_path: Path
) -> None:
    folder = write_series(tmp_path / "scan", values(), PLACES[RIGHT_HANDED[0]])
    session = named(a_session(folder, labels_of()), *names)
    found = exported(session, tmp_path / "out")
    assert labels_in(found) == labels


@pytest.mark.parametrize(
    ("letters", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        ("ISO_IR 192", "Ζωή"),
    ],
)
def test_persons_keep_their_letters_beside_those_of_classes(
    letters: Any, name: str, tmp_path: Path
) -> None:
    about = {"SpecificCharacterSet": letters, "PatientName": name}
    place = PLACES[RIGHT_HANDED[0]]
    folder = write_series(tmp_path / "scan", values(), place, **about)
    session = named(a_session(folder, labels_of()), "左", "é")
    found = exported(session, tmp_path / "out")
    assert str(found.PatientName) == name
    assert labels_in(found) == ["左", "é"]


def test_files_without_a_persons_fields_have_empty_ones(tmp_path: Path) -> None:
    """As programs leave them that take persons out of files."""
    folder = write_series(tmp_path / "scan", values(), PLACES[RIGHT_HANDED[0]])
    for path in folder.iterdir():
        one = pydicom.dcmread(path)
        for word in ("PatientName", "PatientID", "PatientBirthDate", "StudyTime"):
            delattr(one, word)
        one.save_as(path)
    found = exported(a_session(folder, labels_of()), tmp_path / "out")
    assert not found.PatientID
    assert not found.PatientBirthDate
    volume = found.get_volume(combine_segments=True)
    assert volume.array.sum() == labels_of().sum()


def test_a_real_tilted_scan_is_written_on_its_upright_grid(
    data_root: Path, tmp_path: Path
) -> None:
    folder = data_root / "DICOM" / "ct_gantry_tilt"
    if not folder.is_dir():
        pytest.skip("no tilted scan among the real data")
    session = a_session(folder, None, upright=True)
    (record,) = session.records.values()
    found = exported(session, tmp_path).get_volume(combine_segments=True)
    inside, ours = np.argwhere(found.array == 2), np.argwhere(record.ink == 2)
    there = (np.c_[inside, np.ones(len(inside))] @ found.affine.T)[:, :3] * (-1, -1, 1)
    wanted = (np.c_[ours, np.ones(len(ours))] @ record.volume.affine.T)[:, :3]
    apart = np.linalg.norm(there[:, None] - wanted[None], axis=-1)
    assert len(inside) == len(ours) > 0
    assert apart.min(0).max() < 1e-3


def test_slices_that_were_resampled_lie_on_their_own_grid(tmp_path: Path) -> None:
    """A scan with a slice missing, made even."""
    affine = PLACES["as ITK stores axial scans"]
    folder = write_series(tmp_path / "scan", values(), affine)
    whole = [p for p in folder.iterdir() if pydicom.dcmread(p).InstanceNumber == 3]
    whole[0].unlink()
    session = a_session(folder, None, upright=True)
    found = exported(session, tmp_path / "out").get_volume(combine_segments=True)
    (record,) = session.records.values()
    inside = np.argwhere(found.array == 2)
    there = (np.c_[inside, np.ones(len(inside))] @ found.affine.T)[:, :3] * (-1, -1, 1)
    ours = np.argwhere(record.ink == 2)
    wanted = (np.c_[ours, np.ones(len(ours))] @ record.volume.affine.T)[:, :3]
    assert len(inside) == len(ours) > 0
    apart = np.linalg.norm(there[:, None] - wanted[None], axis=-1)
    assert apart.min(0).max() < 1e-3


def test_what_it_needs_is_said(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = export_named("dicom_seg")
    assert export.missing(session) == "Add a volume that was read from DICOM first"
    folder = write_series(tmp_path / "scan", values(), PLACES[RIGHT_HANDED[0]])
    plain = Session()
    plain.add_volume(read_volume(folder))
    assert export.missing(plain) == "Add a class first"
    made = a_session(folder, labels_of())
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="scan: its DICOM files are no longer at"):
        exported(made, tmp_path / "out")
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(InputError, match=r"highdicom.*napari-contrastseg\[dicom\]"):
        exported(made, tmp_path / "out")


def test_no_other_export_names_the_person(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "scan", values(), PLACES[RIGHT_HANDED[0]])
    session = a_session(folder, labels_of())
    for name in ("masks", "seg_nrrd", "tables", "dataset", "ome_zarr"):
        export = export_named(name)
        list(export.write(session, export.options, Output(tmp_path / name)))
        files = [p for p in (tmp_path / name).rglob("*") if p.is_file()]
        assert files
        for path in files:
            assert b"DOE" not in path.read_bytes()
            assert b"4711" not in path.read_bytes()
