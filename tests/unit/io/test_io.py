"""Files: geometry, formats, damage, data sets."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import nibabel as nib
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_contrastseg.io import dataset as ds
from napari_contrastseg.io import images
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_folder, replacing
from napari_contrastseg.io.json import parse, read_json, write_json
from napari_contrastseg.io.volume import Source, Volume, array_affine, default_axis
from napari_contrastseg.samples.samples import phantom

if TYPE_CHECKING:
    from pathlib import Path


def load(path: Path) -> Any:
    """Open a NIfTI file."""
    return nib.load(path)


def save(path: Path, data: np.ndarray, affine: np.ndarray) -> Path:
    nib.Nifti1Image(data, affine).to_filename(path)
    return path


@settings(max_examples=25, deadline=None)
@given(
    order=st.permutations([0, 1, 2]),
    flips=st.tuples(*[st.sampled_from([1, -1])] * 3),
    tilt=st.floats(-0.3, 0.3),
)
def test_any_orientation_returns_to_the_file_unchanged(
    tmp_path_factory: pytest.TempPathFactory,
    order: list[int],
    flips: tuple[int, ...],
    tilt: float,
) -> None:
    folder = tmp_path_factory.mktemp("geometry")
    rng = np.random.default_rng(0)
    data = rng.integers(0, 200, (4, 5, 6)).astype(np.int16)
    turn = np.array(
        [[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ (np.eye(3)[:, order] * flips * np.array([1.0, 2.0, 3.0]))
    affine[:3, 3] = (7, -3, 11)
    volume = images.read_volume(save(folder / "a.nii.gz", data, affine))
    images.write_mask(folder / "b.nii.gz", np.asarray(volume.data[0]), volume)
    back = load(folder / "b.nii.gz")
    assert np.array_equal(np.asarray(back.dataobj), data)
    assert np.allclose(back.affine, affine, atol=1e-5)
    assert back.get_data_dtype() == np.int16
    # the world place of a voxel is the same in both orders
    corner = volume.affine @ [0, 0, 0, 1]
    ornt = volume.source.to_volume_order(np.arange(data.size).reshape(data.shape))
    place = np.unravel_index(int(ornt[0, 0, 0]), data.shape)
    assert np.allclose(corner, affine @ [*place, 1], atol=1e-5)


def test_geometry_is_kept_and_nothing_that_names_a_person(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.diag([1, 2, 3, 1.0]))
    for field in ("descrip", "db_name", "aux_file", "intent_name"):
        image.header[field] = b"DOE^JANE"
    for code in (2, 4, 6):
        image.header.extensions.append(nib.nifti1.Nifti1Extension(code, b"DOE^JANE"))
    image.header["intent_p1"] = 19700101
    image.header.set_xyzt_units("mm")
    image.set_qform(image.affine, code=1)
    image.set_sform(image.affine, code=2)
    image.to_filename(tmp_path / "a.nii")
    volume = images.read_volume(tmp_path / "a.nii")
    images.write_mask(tmp_path / "m.nii", np.ones(volume.shape, int), volume)
    images.write_map(tmp_path / "c.nii", np.ones(volume.shape), volume)
    assert b"DOE" in (tmp_path / "a.nii").read_bytes()
    for name in ("m.nii", "c.nii"):
        assert b"DOE" not in (tmp_path / name).read_bytes()
        header = load(tmp_path / name).header
        assert int(header["qform_code"]) == 1
        assert int(header["sform_code"]) == 2
        assert np.allclose(header.get_qform(), image.affine)
        assert header.get_xyzt_units()[0] == "mm"
        assert header["intent_p1"] == 0


def test_another_file_in_the_sources_place_lends_nothing(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.nii", np.zeros((3, 4, 5), np.int16), np.diag([1, 2, 3, 1.0])
    )
    volume = images.read_volume(path)
    save(path, np.zeros((3, 4, 5), np.float32), np.diag([9, 9, 9, 1.0]))
    images.write_mask(tmp_path / "m.nii", np.ones(volume.shape, int), volume)
    back = load(tmp_path / "m.nii")
    assert np.allclose(back.affine, np.diag([1, 2, 3, 1.0]))
    path.write_text("no image any more")
    images.write_mask(tmp_path / "m.nii", np.ones(volume.shape, int), volume)
    assert np.allclose(load(tmp_path / "m.nii").affine, np.diag([1, 2, 3, 1.0]))


def test_sheared_affines_are_refused(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[0, 1] = 0.4
    path = save(tmp_path / "sheared.nii.gz", np.zeros((3, 3, 3), np.uint8), affine)
    with pytest.raises(InputError, match="sheared"):
        images.read_volume(path)


@pytest.mark.parametrize("keep", [0, 10, 200, 0.5])
def test_truncated_files_say_so(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "t.nii.gz"
    rng = np.random.default_rng(0)
    save(path, rng.integers(0, 9, (20, 20, 20)).astype(np.int16), np.eye(4))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep if keep > 1 else keep * len(whole))])
    with pytest.raises(InputError, match=r"t\.nii\.gz.*damaged|not a NIfTI"):
        images.read_volume(path)


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz", "x.tif", "x.png"])
def test_rubbish_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"rubbish" * 100))
    with pytest.raises(InputError, match=name):
        images.read_volume(tmp_path / name)


def test_missing_and_unknown_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        images.read_volume(tmp_path / "none.nii.gz")
    with pytest.raises(InputError, match="not of a kind"):
        images.read_volume(tmp_path / "a.docx")


def test_time_series_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "t.nii.gz", np.zeros((3, 3, 3, 5), np.uint8), np.eye(4))
    with pytest.raises(InputError, match="choose one time point"):
        images.read_volume(path)


def test_tiff_keeps_spacing(tmp_path: Path) -> None:
    volume = Volume(
        "a", (np.zeros((3, 8, 9), np.uint8),), array_affine(np.array([2.0, 0.5, 0.25]))
    )
    images.write_mask(tmp_path / "m.tif", np.full((3, 8, 9), 2), volume)
    back = images.read_volume(tmp_path / "m.tif")
    assert np.allclose(back.spacing, [2.0, 0.5, 0.25], rtol=1e-4)
    assert (np.asarray(back.data[0]) == 2).all()


def test_colour_pictures_have_three_channels(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (12, 14, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "c.tif", picture, photometric="rgb")
    volume = images.read_volume(tmp_path / "c.tif")
    assert volume.channels == ("red", "green", "blue")
    assert volume.shape == (1, 12, 14)
    assert volume.kind == "stack"
    assert np.array_equal(volume.data[1][0], picture[..., 1])


def test_stains_and_times_of_a_tiff_are_no_slices(tmp_path: Path) -> None:
    path = tmp_path / "stains.tif"
    two = np.arange(2 * 30 * 30, dtype=np.uint16).reshape(2, 30, 30)
    tifffile.imwrite(path, two, imagej=True, metadata={"axes": "CYX"})
    volume = images.read_volume(path)
    assert volume.shape == (1, 30, 30)
    assert volume.channels == ("channel 0", "channel 1")
    tifffile.imwrite(path, two, imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(InputError, match="time axis"):
        images.read_volume(path)


def test_compressed_tiffs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "lzw.tif"
    data = np.arange(900, dtype=np.uint8).reshape(30, 30)
    tifffile.imwrite(path, data, compression="lzw")
    assert np.array_equal(images.read_volume(path).data[0][0], data)


@pytest.mark.parametrize(("samples", "channels"), [(2, 1), (4, 3)])
def test_transparency_is_no_channel(
    tmp_path: Path, samples: int, channels: int
) -> None:
    path = tmp_path / "p.png"
    iio.imwrite(path, np.zeros((8, 8, samples), np.uint8))
    assert len(images.read_volume(path).channels) == channels


def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"old": 1})

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="disk is full"):
        write_json(target, {"new": 2})
    assert read_json(target) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_several_look_at_a_folder_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"

    def look(_: int) -> None:
        for _ in range(50):
            need_folder(folder)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(look, range(8)))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file"):
        need_folder(tmp_path / "file")


def test_an_error_inside_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), replacing(tmp_path / "a.txt") as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_json_that_does_not_fit_names_the_field() -> None:
    with pytest.raises(InputError, match="path"):
        parse(Source, {"path": 3, "file_format": "nifti"}, "somewhere")


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


def test_the_image_itself_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "image.nii.gz"
    save(path, np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    before = path.read_bytes()
    volume = images.read_volume(path)
    for write in (images.write_mask, images.write_map):
        with pytest.raises(InputError, match="is the image itself"):
            write(path, np.zeros(volume.shape, np.uint8), volume)
    assert path.read_bytes() == before


def test_file_names_are_safe_and_different() -> None:
    names = images.file_names(["a/b", "a:b", "../x", "  "])
    assert names == {"a/b": "a_b", "a:b": "a_b (2)", "../x": "_x", "  ": "volume"}


def test_real_files_read_and_return(data_root: Path, tmp_path: Path) -> None:
    dataset = ds.read_dataset(data_root / "Task04_Hippocampus")
    case = dataset.cases[3]
    volume = ds.read_image(case.images, case.id)
    truth = ds.read_truth(dataset, case, volume)
    images.write_mask(tmp_path / "m.nii.gz", truth, volume)
    assert case.label is not None
    one, other = load(tmp_path / "m.nii.gz"), load(case.label)
    assert np.array_equal(np.asarray(one.dataobj), np.asarray(other.dataobj))
    assert np.allclose(one.affine, other.affine)


def test_a_single_picture_has_one_slice() -> None:
    """Whatever the shape of its pixels: OCT and ultrasound have oblong ones."""
    for spacing in ((1.0, 1.0, 1.0), (1.0, 1.0, 2.0), (1.0, 2.0, 5.0)):
        affine = array_affine(np.array(spacing))
        picture = Volume("a", (np.zeros((1, 50, 60), np.float32),), affine)
        assert default_axis(picture) == 0
