"""DICOM: made by pydicom, read by SimpleITK as the other opinion; and real scans."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from napari_contrastseg.io import images
from napari_contrastseg.io.choice import Choice, NotUprightError, SeveralPartsError
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.inputs import find_inputs
from tests.kit.places import PLACES, direction

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

STACK = np.random.default_rng(0).integers(0, 2000, (7, 5, 6)).astype(np.uint16)
SPACING = (0.7, 1.5)
GAP = 3.0
FIRST = np.array([-31.0, 12.5, 7.0])


def a_file(pixels: NDArray[Any], number: int, **fields: Any) -> Any:
    """One picture, without a place."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = CTImageStorage
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    made.Modality, made.PatientName, made.PatientID = "CT", "DOE^JANE", "4711"
    made.SeriesInstanceUID, made.SeriesNumber = "1.2.3", 3
    made.SeriesDescription, made.InstanceNumber = "thin axial", number
    made.Rows, made.Columns = pixels.shape[-2:]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8 * pixels.dtype.itemsize
    made.HighBit, made.PixelRepresentation = made.BitsStored - 1, 0
    made.PixelData = pixels.tobytes()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def place(kind: str, distance: float) -> dict[str, Any]:
    """Fields of a slice that lies so far along the normal of a place."""
    axes = direction(kind).T
    normal = np.cross(axes[0], axes[1])
    return {
        "ImageOrientationPatient": axes[:2].ravel().round(9).tolist(),
        "ImagePositionPatient": (FIRST + distance * normal).round(6).tolist(),
        "PixelSpacing": [SPACING[1], SPACING[0]],
    }


def series(
    folder: Path, distances: Any = None, kind: str = "upright", **fields: Any
) -> Path:
    """A file a slice; their names and numbers do not follow their places."""
    folder.mkdir(parents=True, exist_ok=True)
    distances = np.arange(len(STACK)) * GAP if distances is None else distances
    for k, distance in enumerate(distances):
        number = (k * 3) % len(distances) + 1
        one = a_file(STACK[k], number, **place(kind, distance), **fields)
        one.save_as(folder / f"IM{number:04d}", enforce_file_format=True)
    return folder


def as_itk_reads(folder: Path) -> Any:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def assert_equal_in_space(path: Path, image: Any, choice: Choice | None = None) -> None:
    """Every voxel that ITK finds has its value at the same place in ours."""
    volume = images.read_volume(path, choice=choice or Choice())
    values = SimpleITK.GetArrayFromImage(image)
    everywhere = np.argwhere(np.ones(values.shape[:3]))[:, ::-1]
    lps = [image.TransformIndexToPhysicalPoint(c) for c in everywhere.tolist()]
    ras = np.c_[np.array(lps) * (-1, -1, 1), np.ones(len(lps))]
    found = (ras @ np.linalg.inv(volume.affine).T)[:, :3]
    assert np.abs(found - found.round()).max() < 0.05
    ours = np.asarray(volume.data[0])[tuple(found.round().astype(int).T)]
    assert np.array_equal(ours, values[tuple(everywhere[:, ::-1].T)])


@pytest.mark.parametrize("kind", PLACES)
def test_a_series_is_sorted_by_place(kind: str, tmp_path: Path) -> None:
    folder = series(tmp_path / "scan", kind=kind)
    volume = images.read_volume(folder)
    assert volume.anatomical
    assert volume.id == "scan"
    assert volume.source.path == folder
    assert np.allclose(sorted(volume.spacing), [0.7, 1.5, 3.0], atol=1e-5)
    assert_equal_in_space(folder, as_itk_reads(folder))


def test_values_are_rescaled(tmp_path: Path) -> None:
    folder = series(tmp_path, RescaleSlope=2, RescaleIntercept=-1024)
    assert images.read_volume(folder).data[0].dtype == np.int32
    assert_equal_in_space(folder, as_itk_reads(folder))
    folder = series(tmp_path / "b", RescaleSlope=0.5, RescaleIntercept=0)
    assert images.read_volume(folder).data[0].dtype == np.float32
    assert_equal_in_space(folder, as_itk_reads(folder))


@pytest.mark.parametrize("intercept", [0, 5])
def test_a_slope_of_0_blackens_no_image(tmp_path: Path, intercept: int) -> None:
    folder = series(tmp_path, RescaleSlope=0, RescaleIntercept=intercept)
    assert np.max(images.read_volume(folder).data[0]) == STACK.max() + intercept
    assert_equal_in_space(folder, as_itk_reads(folder))


def packed_as(syntax: Any, plane: NDArray[Any]) -> bytes:
    if syntax == JPEG2000Lossless:
        return bytes(imagecodecs.jpeg2k_encode(plane, codecformat="j2k", level=0))
    if syntax == JPEGLSLossless:
        return bytes(imagecodecs.jpegls_encode(plane))
    if syntax == JPEGLosslessSV1:
        return bytes(imagecodecs.ljpeg_encode(plane, bitspersample=16))
    return bytes(imagecodecs.jpeg8_encode(plane, level=100))


@pytest.mark.parametrize(
    "syntax",
    [RLELossless, JPEG2000Lossless, JPEGLSLossless, JPEGLosslessSV1, JPEGBaseline8Bit],
)
def test_compressed_pixels_are_those_that_itk_unpacks(
    syntax: Any, tmp_path: Path
) -> None:
    lossy = syntax == JPEGBaseline8Bit
    stack = np.add.outer(np.arange(4), np.add.outer(np.arange(24), np.arange(32)) * 3)
    for k, plane in enumerate(stack.astype(np.uint8 if lossy else np.uint16)):
        one = a_file(plane, k + 1, **place("oblique", k * GAP))
        if syntax == RLELossless:
            one.compress(syntax)
        else:
            one.file_meta.TransferSyntaxUID = syntax
            one.PixelData = encapsulate([packed_as(syntax, plane)])
            one["PixelData"].VR = "OB"
        one.save_as(tmp_path / f"{k}.dcm", enforce_file_format=True)
    volume = images.read_volume(tmp_path)
    ours = volume.source.to_file_order(volume.data[0]).T
    theirs = SimpleITK.GetArrayFromImage(as_itk_reads(tmp_path))
    assert np.array_equal(ours, theirs)
    assert lossy or np.array_equal(ours, stack)


def test_packed_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    one = a_file(STACK[0], 1, **place("upright", 0))
    one.file_meta.TransferSyntaxUID = JPEG2000Lossless
    big = np.zeros((600, 600), np.uint16)
    one.PixelData = encapsulate([packed_as(JPEG2000Lossless, big)])
    one["PixelData"].VR = "OB"
    one.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match=r"a\.dcm: .*another|packs a picture"):
        images.read_volume(tmp_path / "a.dcm")


def enhanced(path: Path, kind: str, times: int = 1) -> Path:
    """One file of many frames, in an order that is not that of their places."""
    frames = [(k, t) for t in range(times) for k in reversed(range(len(STACK)))]
    pixels = np.stack([STACK[k] + t for k, t in frames])
    made = a_file(pixels, 1)
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    made.NumberOfFrames = len(frames)
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    about = place(kind, 0)
    measures.PixelSpacing = about["PixelSpacing"]
    measures.SliceThickness = 1
    plane.ImageOrientationPatient = about["ImageOrientationPatient"]
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([plane])
    made.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for k, t in frames:
        group, where, content, scale = Dataset(), Dataset(), Dataset(), Dataset()
        where.ImagePositionPatient = place(kind, k * GAP)["ImagePositionPatient"]
        content.TemporalPositionIndex = t + 1
        scale.RescaleSlope, scale.RescaleIntercept = 1, k
        group.PlanePositionSequence = Sequence([where])
        group.FrameContentSequence = Sequence([content])
        group.PixelValueTransformationSequence = Sequence([scale])
        groups.append(group)
    made.PerFrameFunctionalGroupsSequence = Sequence(groups)
    made.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("kind", ["upright", "oblique and permuted"])
def test_enhanced_files_have_a_place_for_each_frame(kind: str, tmp_path: Path) -> None:
    path = enhanced(tmp_path / "a.dcm", kind)
    plain = images.read_volume(series(tmp_path / "plain", kind=kind))
    volume = images.read_volume(path)
    assert np.allclose(volume.affine, plain.affine, atol=1e-4)
    offset = np.arange(len(STACK))
    back = volume.source.to_file_order(volume.data[0])
    assert np.array_equal(back, STACK.transpose(2, 1, 0) + offset)
    assert images.count_voxels(path) == STACK.size


def test_time_points_are_chosen(tmp_path: Path) -> None:
    path = enhanced(tmp_path / "a.dcm", "upright", times=3)
    with pytest.raises(SeveralPartsError, match=r"holds 3 images .*'series 3, time 0'"):
        images.read_volume(path)
    volume = images.read_volume(path, choice=Choice("series 3, time 2"))
    back = volume.source.to_file_order(volume.data[0])
    assert np.array_equal(back[..., 0], STACK[0].T + 2)


def test_series_of_a_folder_are_offered_by_name(tmp_path: Path) -> None:
    series(tmp_path, SeriesNumber=2, SeriesInstanceUID="1.2", SeriesDescription="thin")
    for file in list(tmp_path.iterdir()):
        file.rename(tmp_path / f"{file.name}.dcm")
    series(tmp_path, SeriesNumber=9, SeriesInstanceUID="1.9", SeriesDescription="thick")
    with pytest.raises(SeveralPartsError) as caught:
        images.read_volume(tmp_path)
    said = str(caught.value)
    assert "'series 2' (thin, 7 slices), 'series 9' (thick, 7 slices)" in said
    assert "--part 'series 2'" in said
    assert [part.key for part in images.parts_of(tmp_path)] == ["series 2", "series 9"]
    volume = images.read_volume(tmp_path, choice=Choice("thick"))
    assert volume.shape == (7, 5, 6)
    assert "thick" not in repr(volume.source.orientation)


def test_series_of_three_orientations_are_three_images(tmp_path: Path) -> None:
    for number, kind in enumerate(("upright", "permuted", "oblique")):
        series(tmp_path / str(number), [0.0], kind)
        shutil.copy(tmp_path / str(number) / "IM0001", tmp_path / f"{number}.dcm")
    keys = [part.key for part in images.parts_of(tmp_path)]
    assert keys == ["series 3 (1)", "series 3 (2)", "series 3 (3)"]


def test_a_medium_with_a_directory_is_read_from_its_folder(tmp_path: Path) -> None:
    series(tmp_path / "medium" / "PAT" / "SERIES")
    outside = series(tmp_path / "outside", SeriesInstanceUID="9", SeriesNumber=9)
    (tmp_path / "medium" / "LINK").symlink_to(outside)
    (tmp_path / "medium" / "PAT" / "ONE").symlink_to(outside / "IM0001")
    index = tmp_path / "medium" / "DICOMDIR"
    index.write_bytes(bytes(128) + b"DICM")
    for path in (index, index.parent):
        assert images.read_volume(path).shape == (7, 5, 6)


# -- what is uneven ------------------------------------------------------------


def test_missing_slices_are_found_and_resampled(tmp_path: Path) -> None:
    folder = series(tmp_path, [0, 3, 6, 12, 15, 18, 21])
    with pytest.raises(NotUprightError, match=r"1 of its slices are missing \(the fi"):
        images.read_volume(folder)
    volume = images.read_volume(folder, choice=Choice(upright=True))
    assert volume.source.upright
    assert volume.shape == (8, 5, 6)
    slices = volume.source.to_file_order(volume.data[0])
    mean = np.rint(STACK[2:4].mean(axis=0).T)
    assert np.abs(slices[..., 3].astype(float) - mean).max() <= 1
    assert np.array_equal(slices[..., 4], STACK[3].T)


def test_uneven_slices_are_found(tmp_path: Path) -> None:
    folder = series(tmp_path, [0, 4, 8, 12, 19, 26, 33])
    with pytest.raises(NotUprightError, match="unevenly spaced, 4 or 7 mm apart"):
        images.read_volume(folder)
    volume = images.read_volume(folder, choice=Choice(upright=True))
    assert np.allclose(volume.spacing, [4, 1.5, 0.7])


def test_doubled_slices_are_named_and_copies_of_a_file_are_one(tmp_path: Path) -> None:
    folder = series(tmp_path)
    shutil.copy(folder / "IM0001", folder / "copy")
    assert images.read_volume(folder).shape == (7, 5, 6)
    other = pydicom.dcmread(folder / "IM0001")
    other.SOPInstanceUID = "1.2.99"
    other.save_as(folder / "other")
    with pytest.raises(InputError, match=r"lie at one place \(.*other.* move one"):
        images.read_volume(folder)


def test_a_tilted_gantry_is_found_and_set_upright(tmp_path: Path) -> None:
    """A bar along the table stays one, whatever the tilt."""
    tilt = np.radians(20)
    axes = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)]])
    bar = np.zeros((7, 30, 20), np.uint16)
    for k in range(7):
        origin = np.array([0.0, -15.0, 2.0 * k])
        rows = np.arange(30)
        y = origin[1] + rows * axes[1, 1]
        bar[k, (np.abs(y + 2) < 3), 8:12] = 500
        one = a_file(
            bar[k],
            k + 1,
            ImageOrientationPatient=axes.ravel().tolist(),
            ImagePositionPatient=origin.tolist(),
            PixelSpacing=[1, 1],
        )
        one.save_as(tmp_path / f"{k}.dcm", enforce_file_format=True)
    with pytest.raises(NotUprightError, match=r"tilted by 20\.0 degrees"):
        images.read_volume(tmp_path)
    volume = images.read_volume(tmp_path, choice=Choice(upright=True))
    affine, found = volume.affine, np.argwhere(volume.data[0] > 250)
    place_of = (np.c_[found, np.ones(len(found))] @ affine.T)[:, :3]
    assert np.abs(place_of[:, 1] - 2).max() <= 3.5  # RAS: y is mirrored
    assert np.abs(-place_of[:, 0] - 9.5).max() <= 2
    off = np.abs(affine[:3, :3]) > 1e-6
    assert (off.sum(axis=0) == 1).all()


# -- pictures, strangers, persons ------------------------------------------------


def test_pictures_without_a_place_are_a_stack(tmp_path: Path) -> None:
    colours = np.random.default_rng(1).integers(0, 255, (4, 5, 3)).astype(np.uint8)
    one = a_file(colours[..., 0], 1, SamplesPerPixel=3, PlanarConfiguration=0)
    one.PhotometricInterpretation, one.PixelData = "RGB", colours.tobytes()
    one.Rows, one.Columns = 4, 5
    one.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    volume = images.read_volume(tmp_path / "a.dcm")
    assert not volume.anatomical
    assert volume.kind == "stack"
    assert volume.source.unit == "pixel"
    assert volume.channels == ("red", "green", "blue")
    assert np.array_equal(np.stack(volume.data, -1)[0], colours)


def test_nothing_that_names_a_person_is_kept(tmp_path: Path) -> None:
    volume = images.read_volume(series(tmp_path / "scan"))
    kept = repr((volume.id, volume.source, volume.channels))
    for word in ("DOE", "4711", "1.2.3", "thin axial"):
        assert word not in kept


@pytest.mark.parametrize("field", ["Rows", "NumberOfFrames"])
def test_sizes_beyond_memory_are_refused(field: str, tmp_path: Path) -> None:
    one = a_file(STACK[0], 1, **place("upright", 0))
    one.Rows, one.Columns, one.NumberOfFrames = 65535, 65535, 1
    one.NumberOfFrames = 90_000 if field == "NumberOfFrames" else 60
    one.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match=r"memory are free|frames"):
        images.read_volume(tmp_path / "a.dcm")


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.95])
def test_files_that_broke_off_are_refused(keep: float, tmp_path: Path) -> None:
    path = enhanced(tmp_path / "a.dcm", "upright")
    raw = path.read_bytes()
    path.write_bytes(raw[: int(keep * len(raw))])
    with pytest.raises(InputError) as caught:
        images.read_volume(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_library_is_said_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = series(tmp_path)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(InputError, match=r"pip install 'napari-contrastseg\[dicom\]'"):
        images.read_volume(folder)


def test_folders_of_series_are_inputs(tmp_path: Path) -> None:
    one = series(tmp_path / "cohort" / "A")
    series(tmp_path / "cohort" / "B")
    assert find_inputs(one, 1) == {"A": (one,)}
    assert sorted(find_inputs(tmp_path / "cohort", 1)) == ["A", "B"]


# -- real scans ------------------------------------------------------------------


@pytest.fixture
def scans(data_root: Path) -> Path:
    return data_root / "DICOM"


def test_a_real_oblique_scan_lies_where_itk_finds_it(scans: Path) -> None:
    folder = scans / "mr_t1"
    volume = images.read_volume(folder)
    image = as_itk_reads(folder)
    corner = np.linalg.inv(volume.affine)
    size = image.GetSize()
    for k in np.ndindex(2, 2, 2):
        index = [int(i * (n - 1)) for i, n in zip(k, size, strict=True)]
        world = np.array(image.TransformIndexToPhysicalPoint(index)) * (-1, -1, 1)
        found = corner @ [*world, 1]
        assert np.abs(found - found.round()).max() < 0.1
        ours = volume.data[0][tuple(found[:3].round().astype(int))]
        assert ours == image[index]


def test_a_real_tilted_scan_is_refused_and_set_upright(scans: Path) -> None:
    folder = scans / "ct_gantry_tilt"
    with pytest.raises(
        NotUprightError, match=r"tilted by 18\.5 degrees .* 1\.08, 4 or 7 mm apart"
    ):
        images.read_volume(folder)
    volume = images.read_volume(folder, choice=Choice(upright=True))
    assert np.allclose(sorted(volume.spacing)[:2], 0.488, atol=1e-3)
    assert max(volume.spacing) == pytest.approx(4.22, abs=0.01)
    assert (np.abs(volume.affine[:3, :3]) > 1e-5).sum() == 3


@pytest.mark.parametrize("identifier", ["1.2.3.4", None])
def test_slices_count_though_their_identifiers_are_alike_or_missing(
    identifier: str | None, tmp_path: Path
) -> None:
    for file in sorted(series(tmp_path).iterdir()):
        one = pydicom.dcmread(file)
        del one.SOPInstanceUID
        if identifier is not None:
            one.SOPInstanceUID = identifier
        one.save_as(file)
    assert len(images.read_volume(tmp_path).data[0]) == len(STACK)
    assert_equal_in_space(tmp_path, as_itk_reads(tmp_path))


def test_slices_of_other_pixel_sizes_are_another_image(tmp_path: Path) -> None:
    series(tmp_path)
    for number in (6, 7):
        file = tmp_path / f"IM{number:04d}"
        one = pydicom.dcmread(file)
        one.PixelSpacing = [0.3, 0.3]
        one.save_as(file)
    with pytest.raises(SeveralPartsError, match="2 images"):
        images.read_volume(tmp_path)


def test_a_hair_between_directions_makes_no_other_image(tmp_path: Path) -> None:
    for number, file in enumerate(sorted(series(tmp_path).iterdir())):
        one = pydicom.dcmread(file)
        hair = 0.0005 + (-1) ** number * 1e-7
        one.ImageOrientationPatient = [1, hair, 0, -hair, 1, 0]
        one.ImagePositionPatient = [0, 0, 3 * number]
        one.save_as(file)
    assert len(images.read_volume(tmp_path).data[0]) == len(STACK)


def test_a_slice_that_is_a_link_or_cut_off_is_not_left_out(tmp_path: Path) -> None:
    last = series(tmp_path / "scan") / "IM0005"  # the last in space
    (tmp_path / "scan" / "._IM0005.dcm").write_bytes(b"notes of macOS")
    assert images.read_volume(tmp_path / "scan").shape == (7, 5, 6)
    last.rename(tmp_path / "elsewhere")
    last.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="IM0005: is a link"):
        images.read_volume(tmp_path / "scan")
    last.unlink()
    for begin in (b"", (tmp_path / "elsewhere").read_bytes()[132:]):
        last.with_suffix(".dcm").write_bytes(begin)
        with pytest.raises(InputError, match=r"IM0005\.dcm: does not begin as DICOM"):
            images.read_volume(tmp_path / "scan")


def test_a_place_without_a_pixel_size_claims_no_length(tmp_path: Path) -> None:
    for file in series(tmp_path).iterdir():
        one = pydicom.dcmread(file)
        del one.PixelSpacing
        one.save_as(file)
    assert images.read_volume(tmp_path).source.unit == "pixel"


def test_a_slice_without_a_position_is_told_apart(tmp_path: Path) -> None:
    file = series(tmp_path) / "IM0003"
    one = pydicom.dcmread(file)
    del one.ImagePositionPatient
    one.save_as(file)
    with pytest.raises(SeveralPartsError, match="2 images"):
        images.read_volume(tmp_path)


def test_values_are_looked_up_where_a_table_gives_them(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [2000, 0, 16], "US"
    table.LUTData = np.arange(2000, dtype=np.uint16)[::-1].tobytes()
    folder = series(tmp_path, ModalityLUTSequence=Sequence([table]))
    plain = images.read_volume(series(tmp_path / "plain"))
    found = images.read_volume(folder)
    assert np.array_equal(found.data[0], 1999 - plain.data[0].astype(int))


def test_other_images_beside_a_series_are_not_left_out(tmp_path: Path) -> None:
    folder = series(tmp_path / "scan")
    assert find_inputs(folder, 1) == {"scan": (folder,)}
    other = folder / "patient.nii.gz"
    other.write_bytes(b"x")
    with pytest.raises(InputError, match=r"patient\.nii\.gz: lies among the files"):
        find_inputs(folder, 1)


def test_of_radiographs_whose_smallest_value_is_white_bright_is_large(
    tmp_path: Path,
) -> None:
    folder = series(tmp_path, PhotometricInterpretation="MONOCHROME1", BitsStored=12)
    assert_equal_in_space(folder, as_itk_reads(folder))
    plain = images.read_volume(series(tmp_path / "plain"))
    found = images.read_volume(folder)
    assert np.array_equal(found.data[0], 4095 - plain.data[0])
    signed: dict[str, Any] = {
        "PixelRepresentation": 1,
        "RescaleSlope": 2,
        "RescaleIntercept": -9,
    }
    folder = series(tmp_path / "s", PhotometricInterpretation="MONOCHROME1", **signed)
    assert_equal_in_space(folder, as_itk_reads(folder))
