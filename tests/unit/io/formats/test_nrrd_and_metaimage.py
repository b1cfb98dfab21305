"""NRRD and MetaImage against SimpleITK: places, packing, channels, times, segments."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK

from napari_contrastseg.io import images
from napari_contrastseg.io.choice import Choice, NotUprightError, SeveralPartsError
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.segments import Segment
from tests.kit.places import PLACES, assert_as_itk_reads, itk_image

if TYPE_CHECKING:
    from pathlib import Path

STACK = np.random.default_rng(0).integers(-900, 900, (4, 5, 6)).astype(np.int16)
ENDINGS = (".nrrd", ".nhdr", ".mha", ".mhd")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", PLACES)
def test_every_voxel_is_where_itk_finds_it(
    kind: str, packed: bool, ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a{ending}"
    SimpleITK.WriteImage(itk_image(kind, STACK), str(path), packed)
    volume = images.read_volume(path)
    assert volume.anatomical
    assert volume.source.unit == "mm"
    assert volume.data[0].dtype == np.int16
    assert_as_itk_reads(volume, path)
    assert images.count_voxels(path) == STACK.size


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "u4", "f4", "f8", "i8"])
def test_every_kind_of_number_is_read(dtype: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    SimpleITK.WriteImage(itk_image("oblique", STACK.astype(dtype)), str(path))
    volume = images.read_volume(path)
    assert volume.data[0].dtype == np.dtype(dtype)
    assert_as_itk_reads(volume, path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_components_are_channels(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    colours = np.random.default_rng(1).integers(0, 255, (4, 5, 6, 3)).astype(np.uint8)
    image = SimpleITK.GetImageFromArray(colours, isVector=True)
    image.SetSpacing((1, 2, 3))
    SimpleITK.WriteImage(image, str(path))
    volume = images.read_volume(path)
    assert volume.channels == ("red", "green", "blue")
    assert_as_itk_reads(volume, path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_picture_is_one_slice(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    image = SimpleITK.GetImageFromArray(STACK[0])
    image.SetSpacing((0.5, 2))
    SimpleITK.WriteImage(image, str(path))
    volume = images.read_volume(path)
    assert sorted(volume.shape) == [1, 5, 6]
    assert max(volume.spacing) == 2
    assert sorted(np.asarray(volume.data[0]).ravel()) == sorted(STACK[0].ravel())


def test_the_fourth_axis_of_metaimage_is_time(tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    series = np.stack([STACK, STACK + 1])
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(series, isVector=False), str(path))
    with pytest.raises(SeveralPartsError, match="holds 2 time points: 'time 0'"):
        images.read_volume(path)
    one = images.read_volume(path, choice=Choice("time 1"))
    assert np.array_equal(one.source.to_file_order(one.data[0]).T, STACK + 1)


HEADER = """NRRD0005
# a comment: NRRD0001
type: int16
dimension: {dimension}
{fields}
endian: little
encoding: raw

"""


def by_hand(path: Path, data: Any, *fields: str) -> Path:
    """Axes as in numpy, the last the fastest."""
    sizes = " ".join(map(str, reversed(data.shape)))
    head = HEADER.format(
        dimension=data.ndim, fields="\n".join([f"sizes: {sizes}", *fields])
    )
    path.write_bytes(head.encode() + data.astype("<i2").tobytes())
    return path


def test_nrrd_in_ras_and_micrometres(tmp_path: Path) -> None:
    path = by_hand(
        tmp_path / "a.nrrd",
        STACK,
        "space: right-anterior-superior",
        "space directions: (2,0,0) (0,3,0) (0,0,5)",
        "space origin: (10,20,30)",
        'space units: "microns" "microns" "microns"',
    )
    volume = images.read_volume(path)
    first = volume.source.to_volume_order(
        np.arange(STACK.size).reshape(6, 5, 4, order="F")
    )
    where = np.argwhere(first == 0)[0]
    assert np.allclose(volume.affine @ [*where, 1], [0.01, 0.02, 0.03, 1])
    assert np.allclose(sorted(volume.spacing), [0.002, 0.003, 0.005])


def test_axes_of_nrrd_that_lie_nowhere_are_channels_or_times(tmp_path: Path) -> None:
    both = np.stack([STACK, STACK + 1])
    place = (
        "space: left-posterior-superior\nspace directions: {}\nspace origin: (0,0,0)"
    )
    three = "(1,0,0) (0,1,0) (0,0,1)"
    last = by_hand(tmp_path / "b.nrrd", both, place.format(f"{three} none"))
    volume = images.read_volume(last)
    assert len(volume.data) == 2
    assert np.array_equal(volume.source.to_file_order(volume.data[1]).T, STACK + 1)
    first = by_hand(
        tmp_path / "c.nrrd", np.moveaxis(both, 0, -1), place.format(f"none {three}")
    )
    volume = images.read_volume(first)
    assert np.array_equal(volume.source.to_file_order(volume.data[1]).T, STACK + 1)
    timed = by_hand(
        tmp_path / "t.nrrd",
        both,
        place.format(f"{three} none"),
        "kinds: domain domain domain time",
    )
    with pytest.raises(SeveralPartsError, match="2 time points"):
        images.read_volume(timed)
    volume = images.read_volume(timed, choice=Choice("time 1"))
    assert np.array_equal(volume.source.to_file_order(volume.data[0]).T, STACK + 1)
    unsaid = by_hand(tmp_path / "u.nrrd", both)
    with pytest.raises(InputError, match="4 axes, of which 0 are said"):
        images.read_volume(unsaid)


@pytest.mark.parametrize(
    ("fields", "unit", "spacing"),
    [
        ((), "pixel", [1, 1, 1]),
        (("spacings: 1 2 4",), "pixel", [4, 2, 1]),
        (("spacings: 1 2 4", 'units: "um" "um" "um"'), "mm", [4e-3, 2e-3, 1e-3]),
    ],
)
def test_nrrd_of_no_body_says_only_what_it_knows(
    tmp_path: Path, fields: tuple[str, ...], unit: str, spacing: list[float]
) -> None:
    volume = images.read_volume(by_hand(tmp_path / "a.nrrd", STACK, *fields))
    assert not volume.anatomical
    assert volume.source.unit == unit
    assert np.allclose(volume.spacing, spacing)
    assert np.array_equal(volume.data[0], STACK)


def test_sheared_nrrd_is_offered_resampling(tmp_path: Path) -> None:
    path = by_hand(
        tmp_path / "a.nrrd",
        STACK,
        "space: left-posterior-superior",
        "space directions: (1,0,0) (0,1,0) (0,0.4,2)",
        "space origin: (0,0,0)",
    )
    with pytest.raises(NotUprightError, match=r"sheared .* --upright"):
        images.read_volume(path)
    volume = images.read_volume(path, choice=Choice(upright=True))
    assert volume.source.upright


def layers(path: Path, masks: Any, *values: tuple[int, int]) -> Path:
    """A segmentation of 3D Slicer with (value, layer) of each segment."""
    said = [
        line
        for n, (value, layer) in enumerate(values)
        for line in (
            f"Segment{n}_ID:=Segment_{n}",
            f"Segment{n}_LabelValue:={value}",
            f"Segment{n}_Layer:={layer}",
        )
    ]
    return by_hand(
        path,
        masks,
        "space: left-posterior-superior",
        "space directions: " + "none " * (masks.ndim - 3) + "(1,0,0) (0,1,0) (0,0,2)",
        "space origin: (0,0,0)",
        *said,
    )


def test_segmentations_of_slicer_are_masks(tmp_path: Path) -> None:
    mask = np.zeros((4, 5, 6), np.int16)
    mask[1], mask[2, :2] = 1, 2
    volume = images.read_labels(layers(tmp_path / "a.seg.nrrd", mask, (1, 0), (2, 0)))
    assert volume.id == "a"
    assert np.array_equal(volume.source.to_file_order(volume.data[0]).T, mask)
    two = np.stack([mask == 1, mask == 2], axis=-1).astype(np.int16)
    volume = images.read_labels(layers(tmp_path / "b.seg.nrrd", two, (1, 0), (1, 1)))
    assert np.array_equal(volume.source.to_file_order(volume.data[0]).T, mask)
    both = np.stack([mask > 0, mask == 2], axis=-1).astype(np.int16)
    with pytest.raises(InputError, match="segments that overlap"):
        images.read_labels(layers(tmp_path / "c.seg.nrrd", both, (1, 0), (1, 1)))


# -- files from strangers --------------------------------------------------------


@pytest.mark.parametrize("ending", [".nhdr", ".mhd"])
@pytest.mark.parametrize("name", ["../secret.raw", "{}/secret.raw", "link.raw"])
def test_voxels_outside_of_the_folder_are_not_read(
    ending: str, name: str, tmp_path: Path
) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    secret = tmp_path / "secret.raw"
    secret.write_bytes(STACK.tobytes())
    (folder / "link.raw").symlink_to(secret)
    path = folder / f"a{ending}"
    SimpleITK.WriteImage(itk_image("upright", STACK), str(path))
    text = path.read_text()
    (raw,) = (p for p in folder.iterdir() if p.suffix == ".raw" and p.stem == "a")
    path.write_text(text.replace(raw.name, name.format(tmp_path)))
    with pytest.raises(InputError, match="outside of its folder"):
        images.read_volume(path)
    path.write_text(text.replace(raw.name, "gone.raw"))
    with pytest.raises(InputError, match=r"names gone\.raw as the file of its voxels"):
        images.read_volume(path)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("packed", [False, True])
def test_more_voxels_than_there_are_are_refused(
    ending: str, packed: bool, tmp_path: Path
) -> None:
    path = tmp_path / f"a{ending}"
    SimpleITK.WriteImage(itk_image("upright", STACK), str(path), packed)
    raw = path.read_bytes()
    for wrong in (b"600000 500000 400000", b"6 5 900", b"-6 5 -4", b"6 5"):
        path.write_bytes(raw.replace(b"6 5 4", wrong))
        with pytest.raises(InputError) as caught:
            images.read_volume(path)
        assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("keep", [0.0, 0.2, 0.9])
def test_files_that_broke_off_are_refused(
    ending: str, packed: bool, keep: float, tmp_path: Path
) -> None:
    path = tmp_path / f"a{ending}"
    SimpleITK.WriteImage(itk_image("upright", STACK), str(path), packed)
    broken = max(tmp_path.iterdir(), key=lambda p: p.stat().st_size)
    raw = broken.read_bytes()
    broken.write_bytes(raw[: int(keep * len(raw))])
    with pytest.raises(InputError):
        images.read_volume(path)


def test_a_small_packed_file_does_not_unpack_to_more_than_it_declares(
    tmp_path: Path,
) -> None:
    path = by_hand(tmp_path / "a.nrrd", STACK)
    head = path.read_bytes().partition(b"\n\n")[0].replace(b"raw", b"gzip")
    path.write_bytes(head + b"\n\n" + gzip.compress(STACK.tobytes() + bytes(2**26)))
    assert images.read_volume(path).data[0].nbytes == STACK.nbytes


def a_file_a_slice(ending: str, folder: Path, said: str) -> Path:
    """A header whose voxels lie in four files."""
    path = folder / f"a{ending}"
    SimpleITK.WriteImage(itk_image("upright", STACK), str(path))
    for number, plane in enumerate(STACK):
        (folder / f"s{number:02d}.bin").write_bytes(plane.tobytes())
    text = path.read_text()
    path.write_text(text.replace("a.raw", said))
    return path


@pytest.mark.parametrize("ending", [".nhdr", ".mhd"])
@pytest.mark.parametrize(
    "said", ["s%02d.bin 0 3 1", "LIST\ns00.bin\ns01.bin\ns02.bin\ns03.bin\n"]
)
def test_voxels_may_lie_in_a_file_a_slice(
    ending: str, said: str, tmp_path: Path
) -> None:
    path = a_file_a_slice(ending, tmp_path, said)
    volume = images.read_volume(path)
    assert np.array_equal(volume.source.to_file_order(volume.data[0]).T, STACK)


@pytest.mark.parametrize("ending", [".nhdr", ".mhd"])
@pytest.mark.parametrize("said", ["s%999999999d 0 3 1", "s%s 0 3 1", "s%02d 0 9 0"])
def test_patterns_of_file_names_are_checked(
    ending: str, said: str, tmp_path: Path
) -> None:
    path = a_file_a_slice(ending, tmp_path, said)
    with pytest.raises(InputError, match="numbers its files in an unknown way"):
        images.read_volume(path)


def test_nothing_that_names_a_person_is_kept(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "a.nrrd", STACK, "PatientName:=DOE^JANE", "content: DOE")
    assert "DOE" not in repr(images.read_volume(path))


def test_names_and_colours_of_a_slicer_segmentation(tmp_path: Path) -> None:
    header = (
        "NRRD0004\ntype: unsigned char\ndimension: 3\nsizes: 3 2 2\n"
        "space: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,2)\n"
        "space origin: (0,0,0)\nencoding: raw\nkinds: domain domain domain\n"
        "Segment0_ID:=a\nSegment0_Name:=Left lung\nSegment0_LabelValue:=7\n"
        "Segment0_Color:=1 0.5 0\nSegment0_Layer:=0\n"
        "Segment1_Name:=tumour\nSegment1_LabelValue:=2\nSegment1_Layer:=0\n\n"
    )
    path = tmp_path / "a.seg.nrrd"
    path.write_bytes(header.encode() + bytes([0, 7, 2] * 4))
    wanted = (Segment(7, "Left lung", "#ff8000"), Segment(2, "tumour"))
    assert images.read_volume(path).segments == wanted


@pytest.mark.parametrize(
    ("units", "unit", "sides"),
    [
        ("", "mm", [5, 3, 2]),
        ('"mm" "mm" "mm"', "mm", [5, 3, 2]),
        ('"mm" "mm" "um"', "mm", [5e-3, 3, 2]),
        ('"pixel" "pixel" "pixel"', "pixel", [5, 3, 2]),
        ('"mm" "mm" "parsec"', "pixel", [5, 3, 2]),
    ],
)
def test_the_units_of_a_place_are_those_of_each_axis_of_the_world(
    units: str, unit: str, sides: list[float], tmp_path: Path
) -> None:
    path = by_hand(
        tmp_path / "a.nrrd",
        STACK,
        "space: left-posterior-superior",
        "space directions: (2,0,0) (0,3,0) (0,0,5)",
        "space origin: (10,20,30)",
        *([f"space units: {units}"] if units else []),
    )
    volume = images.read_volume(path)
    assert volume.source.unit == unit
    assert np.allclose(volume.spacing, sides)


def test_keys_that_people_add_to_nrrd_are_not_its_fields(tmp_path: Path) -> None:
    path = by_hand(
        tmp_path / "a.nrrd",
        STACK,
        "space: left-posterior-superior",
        "space directions: (2,0,0) (0,3,0) (0,0,5)",
        "space origin: (10,20,30)",
        "type:=MRI",
        "space origin:=(0,0,0)",
        "space units:=um",
    )
    volume = images.read_volume(path)
    assert np.allclose(volume.spacing, [5, 3, 2])
    assert_as_itk_reads(volume, path)


@pytest.mark.parametrize("placed", [False, True])
def test_metaimage_without_a_voxel_size_claims_none(
    placed: bool, tmp_path: Path
) -> None:
    path, matrix = tmp_path / "a.mhd", "TransformMatrix = 1 0 0 0 1 0 0 0 1\n"
    path.write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 4 5 6\nElementType = MET_SHORT\n"
        f"{matrix if placed else ''}ElementDataFile = a.raw\n"
    )
    (tmp_path / "a.raw").write_bytes(STACK.astype("<i2").tobytes())
    volume = images.read_volume(path)
    assert volume.anatomical == placed
    assert volume.source.unit == "pixel"
