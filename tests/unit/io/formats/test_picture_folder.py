"""Folders of pictures as one stack: neighbours or not, of one size or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_contrastseg.io.choice import Choice, SeveralPartsError
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import is_image
from napari_contrastseg.io.images import read_volume, same_image_again, write_mask

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RNG = np.random.default_rng(0)
UNRELATED = Choice(unrelated=True)


def picture(rows: int = 8, columns: int = 9, *colours: int) -> NDArray[np.uint8]:
    return RNG.integers(1, 255, (rows, columns, *colours)).astype(np.uint8)


def save(folder: Path, **pictures: NDArray[Any]) -> Path:
    for name, values in pictures.items():
        Image.fromarray(values).save(folder / f"{name}.png")
    return folder


def test_a_folder_is_one_stack_for_who_asks(tmp_path: Path) -> None:
    one, two = picture(), picture()
    save(tmp_path, p10=one, p9=two)
    (tmp_path / "notes.txt").write_text("no picture")
    assert not is_image(tmp_path)
    assert is_image(tmp_path, as_one=True)
    with pytest.raises(InputError, match="is a folder, not an image"):
        read_volume(tmp_path)
    with pytest.raises(SeveralPartsError, match="2 pictures") as caught:
        read_volume(tmp_path, as_one=True)
    assert [part.key for part in caught.value.parts] == ["slices", "unrelated"]
    for choice, kind in ((Choice("slices"), "volume"), (UNRELATED, "stack")):
        volume = read_volume(tmp_path, choice=choice)
        assert volume.kind == kind
        assert np.array_equal(volume.data[0], [two, one]), "9 comes before 10"
        again = same_image_again(volume.source, "a")
        assert (again.kind, again.source) == (kind, volume.source)


def test_pictures_of_different_sizes_get_a_margin_as_bright_as_their_edge(
    tmp_path: Path,
) -> None:
    large, small = picture(12, 9), picture(8, 10)
    save(tmp_path, a=large, b=small)
    volume = read_volume(tmp_path, as_one=True)
    assert volume.kind == "stack", "nothing is asked: they are no slices"
    assert volume.shape == (2, 12, 10)
    found = np.asarray(volume.data[0])
    assert np.array_equal(found[0, :12, :9], large)
    assert np.array_equal(found[1, :8, :10], small)
    edge = np.r_[small[0], small[-1], small[:, 0], small[:, -1]]
    (margin,) = np.unique(found[1, 8:])
    assert abs(np.mean(edge < margin) - 0.5) < 0.1
    with pytest.raises(InputError, match="'slices' is not a part"):
        read_volume(tmp_path, choice=Choice("slices"))


def test_grey_and_coloured_pictures_of_all_formats_go_together(tmp_path: Path) -> None:
    grey, colours = picture(), picture(8, 9, 3)
    save(tmp_path, a=grey, b=colours)
    tifffile.imwrite(tmp_path / "c.tif", grey)
    Image.fromarray(grey).save(tmp_path / "d.jpg")
    volume = read_volume(tmp_path, choice=UNRELATED)
    assert volume.channels == ("red", "green", "blue")
    assert [channel.shape for channel in volume.data] == [(4, 8, 9)] * 3
    for index, channel in enumerate(volume.data):
        assert np.array_equal(channel[[0, 2]], [grey, grey])
        assert np.array_equal(channel[1], colours[..., index])


@pytest.mark.parametrize("fault", ["no picture", "cut", "stack", "channels"])
def test_one_unfit_file_is_named(tmp_path: Path, fault: str) -> None:
    save(tmp_path, a=picture(60, 60, 3), c=picture(60, 60, 3))
    if fault == "no picture":
        (tmp_path / "b.png").write_bytes(b"nothing")
    elif fault == "cut":
        (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:3000])
    elif fault == "stack":
        tifffile.imwrite(tmp_path / "b.tif", np.stack([picture(60, 60)] * 5))
    else:
        two = np.stack([picture(60, 60)] * 2)
        about: Any = {"axes": "CYX"}
        tifffile.imwrite(tmp_path / "b.tif", two, imagej=True, metadata=about)
    with pytest.raises(InputError, match=rf"{tmp_path.name}/b\.(png|tif): "):
        read_volume(tmp_path, choice=UNRELATED)


def test_masks_have_the_pictures_names_and_sizes(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    save(folder, a=picture(12, 9), b=picture(8, 10))
    volume = read_volume(folder, choice=UNRELATED)
    mask = RNG.integers(0, 4, volume.shape)
    write_mask(tmp_path / "out", mask, volume)
    for name, (rows, columns), plane in zip(
        "ab", ((12, 9), (8, 10)), mask, strict=True
    ):
        found = np.asarray(Image.open(tmp_path / "out" / f"{name}.png"))
        assert np.array_equal(found, plane[:rows, :columns])
    (folder / "b.png").unlink()
    with pytest.raises(InputError, match="holds 1 pictures by now, not 2"):
        write_mask(tmp_path / "later", mask, volume)


def test_slices_of_another_volume_are_numbered(tmp_path: Path) -> None:
    stack = np.stack([picture() for _ in range(11)])
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    volume = read_volume(tmp_path / "a.tif")
    write_mask(tmp_path / "out", stack.astype(int), volume)
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names[0] == "00.png"
    assert names[-1] == "10.png"
    found = [np.asarray(Image.open(tmp_path / "out" / name)) for name in names]
    assert np.array_equal(found, stack)


@pytest.mark.parametrize("other", [np.uint16, np.bool_])
def test_pictures_that_count_brightness_otherwise_are_not_one_stack(
    other: Any, tmp_path: Path
) -> None:
    save(tmp_path, a=picture(), b=picture() > 99)
    if other is np.uint16:
        save(tmp_path, b=picture().astype(np.uint16) * 200)
    with pytest.raises(InputError, match=r"b\.png: holds \w+ values, others in"):
        read_volume(tmp_path, choice=Choice("slices"))
