"""NIfTI: any orientation, geometry, nothing that names a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_contrastseg.io import dataset as ds
from napari_contrastseg.io import images
from napari_contrastseg.io.choice import Choice, NotUprightError, SeveralPartsError
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.inputs import find_inputs
from tests.kit.nifti import load, save

if TYPE_CHECKING:
    from pathlib import Path


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


def test_a_time_point_must_be_chosen_and_can_be(tmp_path: Path) -> None:
    data = np.arange(2 * 3 * 4 * 5, dtype=np.int16).reshape(2, 3, 4, 5)
    path = save(tmp_path / "t.nii.gz", data, np.eye(4))
    with pytest.raises(
        SeveralPartsError, match=r"holds 5 time points: 'time 0', .*--p"
    ):
        images.read_volume(path)
    assert [p.key for p in images.parts_of(path)] == [
        *(f"time {i}" for i in range(5)),
        "channels",
    ]
    volume = images.read_volume(path, choice=Choice("time 3"))
    there = volume.source.to_file_order(np.asarray(volume.data[0]))
    assert np.array_equal(there, data[..., 3])
    assert volume.source.part == "time 3"
    every = images.read_volume(path, choice=Choice("channels"))
    assert len(every.data) == 5
    with pytest.raises(InputError, match="'time 9' is not a part of it"):
        images.read_volume(path, choice=Choice("time 9"))


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


def test_a_unit_that_there_is_not_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", np.zeros((3, 4, 5), np.uint8), np.eye(4))
    raw = bytearray(path.read_bytes())
    for code, time in ((2, 56), (7, 8)):  # of the time there is nothing to know
        raw[123] = code | time
        path.write_bytes(raw)
        if code == 2:
            assert images.read_volume(path).spacing.tolist() == [1, 1, 1]
    with pytest.raises(InputError, match=r"a.nii: states its lengths .*units 7\)"):
        images.read_volume(path)


def test_units_of_length_are_taken(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.diag([2, 3, 4, 1.0]))
    image.header.set_xyzt_units("micron")
    image.to_filename(tmp_path / "a.nii")
    volume = images.read_volume(tmp_path / "a.nii")
    assert np.allclose(sorted(volume.spacing), [2e-3, 3e-3, 4e-3])
    images.write_mask(tmp_path / "m.nii", np.ones(volume.shape, int), volume)
    back = load(tmp_path / "m.nii")
    assert np.allclose(back.affine, image.affine)
    assert back.header.get_xyzt_units()[0] == "micron"


def test_a_voxel_size_of_zero_is_not_called_one_mm(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), None)
    image.to_filename(tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    header = np.frombuffer(raw, nib.Nifti1Header.template_dtype, 1)
    header["pixdim"][0, 1:4] = 0
    header["qform_code"], header["sform_code"] = 0, 0
    (tmp_path / "a.nii").write_bytes(raw)
    assert images.read_volume(tmp_path / "a.nii").source.unit == "pixel"


def test_analyze_headers_are_refused_for_they_do_not_say_which_side_is_left(
    tmp_path: Path,
) -> None:
    data = np.zeros((3, 4, 5), np.int16)
    nib.AnalyzeImage(data, np.eye(4)).to_filename(tmp_path / "a.img")
    for name in ("a.img", "a.hdr"):
        with pytest.raises(InputError, match=r"Analyze 7\.5"):
            images.read_volume(tmp_path / name)


def test_a_pair_is_one_input_and_reads_from_either_file(tmp_path: Path) -> None:
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    nib.Nifti1Pair(data, np.eye(4)).to_filename(tmp_path / "a.hdr")
    for name in ("a.hdr", "a.img"):
        volume = images.read_volume(tmp_path / name)
        assert np.array_equal(volume.source.to_file_order(volume.data[0]), data)
    assert find_inputs(tmp_path, 1) == {"a": (tmp_path / "a.hdr",)}
    (tmp_path / "a.img").unlink()
    with pytest.raises(InputError, match=r"a\.img: there is no such file"):
        images.read_volume(tmp_path / "a.hdr")


def test_what_is_wrong_with_a_choice_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    affine = np.diag([1.0, 2, 3, 1])
    nib.Nifti1Image(np.ones((4, 5, 6), np.uint8), affine).to_filename(path)
    with pytest.raises(InputError) as caught:
        images.read_volume(path, choice=Choice("time 3"))
    assert str(caught.value) == (
        f"{path}: holds one image; do not choose a part of it."
    )
    with pytest.raises(InputError) as caught:
        images.read_volume(path, choice=Choice(voxel_size=(1, 1, 1)))
    assert str(caught.value).startswith(f"{path}: its file states its place")
    affine[0, 1] = 1
    image = nib.Nifti1Image(np.ones((4, 5, 6), np.uint8), None)
    image.set_sform(affine, 1)
    image.to_filename(path)
    with pytest.raises(NotUprightError) as caught:
        images.read_volume(path)
    assert str(caught.value).startswith(f"{path}: its affine is sheared")
    assert "a.nii.gz" in caught.value.why
