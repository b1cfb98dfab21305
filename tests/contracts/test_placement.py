"""Same place: masks by a table of placements, in the shell and in the window."""

from __future__ import annotations

import re
import shutil
from itertools import product
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager

from napari_contrastseg.evaluation.mask_files import evaluate
from napari_contrastseg.io.dataset import read_image
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.geometry import corner_distance
from napari_contrastseg.io.images import read_volume, write_mask
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.ui.plugin.reader import read
from napari_contrastseg.ui.viewer.image_layers import volume_from
from napari_contrastseg.ui.viewer.masks import take_layer as take_mask
from tests.kit.window import dock_without_window, said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Affine = NDArray[np.float64]

pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")  # napari's
RNG = np.random.default_rng(0)


def turn(axis: int, degrees: float) -> Affine:
    """Rotation about a world axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(4)
    first, second = [a for a in range(3) if a != axis]
    matrix[first, first] = matrix[second, second] = c
    matrix[first, second], matrix[second, first] = -s, s
    return matrix


def at(affine: Affine, origin: tuple[float, float, float]) -> Affine:
    placed = affine.copy()
    placed[:3, 3] = origin
    return placed


GRIDS: dict[str, tuple[tuple[int, int, int], Affine]] = {
    "RAS, origin 0": ((24, 20, 8), np.eye(4)),
    "LPS, thick slices": (
        (24, 20, 8),
        at(np.diag([-0.5, -0.5, 5, 1]), (100, 80, -30)),
    ),
    "LPS, oblique": (
        (24, 20, 8),
        at(turn(0, 20) @ np.diag([-0.7, -0.7, 4, 1]), (90, 80, -30)),
    ),
    "micrometre pixels": ((24, 20, 8), np.diag([1e-4, 1e-4, 3e-4, 1])),
    "one slice": ((24, 20, 1), at(np.diag([-0.5, -0.5, 5, 1]), (7, 5, 3))),
}


def about(affine: Affine, matrix: Affine) -> Affine:
    """Turn a grid about its first voxel."""
    return at(matrix @ at(affine, (0, 0, 0)), tuple(affine[:3, 3]))


KINDS: dict[str, Callable[[Affine], Affine]] = {
    "the same": lambda a: a,
    "turned by 25 degrees in the slice": lambda a: a @ turn(2, 25),
    "turned by 3 degrees in the world": lambda a: about(a, turn(2, 3)),
    "turned by 3 degrees out of the slice": lambda a: about(a, turn(1, 3)),
    "turned by a hair": lambda a: about(a, turn(1, 0.003)),
    "voxels 3 per cent larger": lambda a: a @ np.diag([1.03, 1.03, 1.03, 1]),
    "slices 3 per cent thicker": lambda a: a @ np.diag([1, 1, 1.03, 1]),
    "voxels larger by a hair": lambda a: a @ np.diag([1.0005, 1.0005, 1, 1]),
    "shifted by a fifth of a voxel": lambda a: a @ at(np.eye(4), (0.2, 0, 0)),
    "shifted by a slice": lambda a: a @ at(np.eye(4), (0, 0, 1)),
    "shifted by a twentieth of a slice": lambda a: a @ at(np.eye(4), (0, 0, 0.05)),
    "shifted by 1e-4 mm": lambda a: at(a, tuple(a[:3, 3] + 1e-4)),
    "shifted by 1e-6 mm": lambda a: at(a, tuple(a[:3, 3] + 1e-6)),
    "sheared a little": lambda a: a @ (np.eye(4) + 0.008 * np.eye(4, k=1)),
    "flipped": lambda a: a @ np.diag([-1, 1, 1, 1]),
}
TABLE = [(grid, kind) for grid in GRIDS for kind in KINDS]


def by_hand(shape: tuple[int, ...], image: Affine, mask: Affine) -> float:
    """Distance in voxels of the farthest corner, by nibabel and a loop."""
    worst = 0.0
    for ends in product((0, 1), repeat=3):
        corner = [end * n - 0.5 for end, n in zip(ends, shape, strict=True)]
        here, there = (nib.affines.apply_affine(x, corner) for x in (image, mask))
        total = 0.0
        for axis in range(3):
            step = image[:3, axis]
            total += (float((there - here) @ step) / float(step @ step)) ** 2
        worst = max(worst, total**0.5)
    return worst


def load(path: Path) -> nib.Nifti1Image:
    image = nib.load(path)
    assert isinstance(image, nib.Nifti1Image)
    return image


def save(path: Path, array: NDArray[Any], affine: Affine) -> Path:
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def files(tmp_path: Path, grid: str, kind: str) -> tuple[Path, Path, float]:
    """Write an image and a mask; give also how far they are apart by hand."""
    shape, affine = GRIDS[grid]
    values = RNG.normal(100, 20, shape).astype(np.float32)
    labels = np.zeros(shape, np.uint8)
    labels[4:9, 3:12, shape[2] // 2 :] = 1
    image = save(tmp_path / "image.nii.gz", values, affine)
    save(tmp_path / "label.nii.gz", labels, affine)
    mask = save(tmp_path / "mask.nii.gz", labels, KINDS[kind](affine))
    places = [np.asarray(load(p).affine, np.float64) for p in (image, mask)]
    off = by_hand(shape, *places)
    assert not 0.08 < off < 0.12, "the table has no doubtful kinds"
    return image, mask, off


def check_words(error: InputError, off: float, kind: str) -> None:
    found = re.search(r"a corner is (\S+) voxels off", str(error))
    assert found
    if kind != "flipped":  # read in another order
        assert float(found[1]) == pytest.approx(off, rel=0.01)


def open_layers(image: Path, mask: Path) -> tuple[Any, Any]:
    """Open an image and a mask with our reader, the mask made a labels layer."""
    ((data, told, _),), ((labels, placed, _),) = read(str(image)), read(str(mask))
    return Image(data, **told), Labels(labels.astype(np.uint8), **placed)


def session_of(image: Image) -> Session:
    session = Session()
    session.add_volume(volume_from([image], "image"))
    return session


@pytest.mark.parametrize(("grid", "kind"), TABLE)
def test_the_shell_takes_masks_in_the_same_place_alone(
    tmp_path: Path, grid: str, kind: str
) -> None:
    _, mask, off = files(tmp_path, grid, kind)
    label = tmp_path / "label.nii.gz"
    if off < 0.1:
        assert evaluate(mask, label)["mean_dice"] == 1
        return
    with pytest.raises(InputError, match="lies elsewhere in the world") as caught:
        evaluate(mask, label)
    check_words(caught.value, off, kind)


@pytest.mark.parametrize(("grid", "kind"), TABLE)
def test_the_window_takes_masks_in_the_same_place_alone(
    tmp_path: Path, grid: str, kind: str
) -> None:
    path, mask, off = files(tmp_path, grid, kind)
    image, labels = open_layers(path, mask)
    session = session_of(image)
    if off < 0.1:
        take_mask(session, "image", labels, all_done=True, reference=image)
        assert np.array_equal(session.records["image"].ink, labels.data)
        return
    for shown in (image, None):  # its layer may have been closed
        with pytest.raises(InputError, match="lies elsewhere") as caught:
            take_mask(session, "image", labels, all_done=True, reference=shown)
        check_words(caught.value, off, kind)
    assert not session.records["image"].ink.any()


NEARLY = [(44.999, 45.001), (-45.001, -44.999), (134.999, 135.001)]
#: Which world axis the thick slices' normal is turned about, towards the diagonal.
ABOUT = [0, 1, 2]


def across(tmp_path: Path, axis: int, ends: tuple[float, float]) -> tuple[Path, Path]:
    """Write an image and a mask on either side of a diagonal, by a hair."""
    shape = (24, 20, 8)
    flat = np.zeros((4, 4))  # the thick third axis lies across the axis turned about
    thick = 2 if axis != 2 else 1
    rest = [a for a in range(3) if a != thick]
    flat[rest[0], 0], flat[rest[1], 1], flat[thick, 2], flat[3, 3] = 1, 1, 4, 1
    labels = np.zeros(shape, np.uint8)
    labels[4:9, 3:12, 4:] = 1
    values = RNG.normal(100, 20, shape).astype(np.float32)
    one, other = (turn(axis, angle) @ flat for angle in ends)
    image = save(tmp_path / "image.nii.gz", values, one)
    save(tmp_path / "label.nii.gz", labels, one)
    return image, save(tmp_path / "mask.nii.gz", labels, other)


@pytest.mark.parametrize("ends", NEARLY)
@pytest.mark.parametrize("axis", ABOUT)
def test_a_mask_across_a_diagonal_by_a_hair_is_the_same_mask(
    tmp_path: Path, axis: int, ends: tuple[float, float]
) -> None:
    path, mask = across(tmp_path, axis, ends)
    volumes = [read_volume(p) for p in (path, mask)]
    orders = {v.source.orientation for v in volumes}
    assert len(orders) == 2, "the files are read in two orders"
    assert evaluate(mask, tmp_path / "label.nii.gz")["mean_dice"] == 1
    both = read_image([path, mask], "both")
    held = [np.asarray(load(p).dataobj) for p in (path, mask)]
    for channel, values in zip(both.data, held, strict=True):
        assert np.array_equal(both.source.to_file_order(channel), values)
    image, labels = open_layers(path, mask)
    session = session_of(image)
    assert not take_mask(session, "image", labels, all_done=True, reference=image)
    record = session.records["image"]
    assert np.array_equal(record.volume.source.to_file_order(record.ink), held[1])
    layers = [Image(data, **told) for data, told, _ in read([str(path), str(mask)])]
    found = volume_from(layers, "both")
    for channel, values in zip(found.data, held, strict=True):
        assert np.array_equal(found.source.to_file_order(channel), values)


@pytest.mark.parametrize("ending", [".tif", ".png"])
def test_a_mask_that_knows_no_place_is_not_scored_against_one_that_does(
    tmp_path: Path, ending: str
) -> None:
    """A TIFF from a RAS volume is its mirror image: voxel by voxel it scores 0.41."""
    shape = (24, 20, 8 if ending == ".tif" else 1)
    labels = np.zeros(shape, np.uint8)
    labels[4:9, 3:12, shape[2] // 2 :] = 1
    label = save(tmp_path / "mask.nii.gz", labels, np.eye(4))
    theirs = sitk.ReadImage(str(label))
    if ending == ".png":
        theirs = theirs[:, :, 0]
    (tmp_path / "out").mkdir()
    written = tmp_path / "out" / f"mask{ending}"
    sitk.WriteImage(theirs, str(written))
    with pytest.raises(InputError, match="does not say where it lies"):
        evaluate(written, label)
    with pytest.raises(InputError, match="does not say where it lies"):
        evaluate(label, written)
    with pytest.raises(InputError, match="does not say where it lies"):
        read_image([label, written], "both")
    assert evaluate(written, written)["mean_dice"] == 1


def test_what_cannot_be_placed_is_infinitely_far() -> None:
    for strange in (np.diag([1, 1, 0, 1.0]), np.full((4, 4), np.nan)):
        assert corner_distance((2, 3, 4), strange, np.eye(4)) == np.inf


def test_a_mask_that_was_moved_by_hand_counts_where_it_is_shown(tmp_path: Path) -> None:
    image, mask = open_layers(*files(tmp_path, "LPS, oblique", "the same")[:2])
    session = session_of(image)
    mask.translate = np.add(image.translate, (0, 3, 0))
    with pytest.raises(InputError, match="lies elsewhere"):
        take_mask(session, "image", mask, all_done=True, reference=image)
    image.translate = mask.translate
    take_mask(session, "image", mask, all_done=True, reference=image)


def test_a_mask_that_another_reader_has_rotated_is_in_its_place(tmp_path: Path) -> None:
    image, mask = open_layers(*files(tmp_path, "LPS, oblique", "the same")[:2])
    session = session_of(image)
    turned = np.eye(4)
    affine = session.records["image"].volume.affine
    turned[:3] = affine[[2, 1, 0]] * [[1], [-1], [-1]]
    theirs = Labels(mask.data, affine=turned)
    assert not take_mask(session, "image", theirs, all_done=True, reference=image)
    turned[1, 3] += 1
    theirs = Labels(mask.data, affine=turned)
    with pytest.raises(InputError, match="lies elsewhere"):
        take_mask(session, "image", theirs, all_done=True, reference=image)


def test_units_count(tmp_path: Path) -> None:
    image, mask = open_layers(*files(tmp_path, "RAS, origin 0", "the same")[:2])
    session = session_of(image)
    where = {"scale": (1000,) * 3, "translate": 1000 * image.translate}
    for unit in ("um", "mm"):
        theirs = Labels(mask.data, units=(unit,) * 3, **where)
        if unit == "um":
            take_mask(session, "image", theirs, all_done=True, reference=image)
            continue
        with pytest.raises(InputError, match="lies elsewhere"):
            take_mask(session, "image", theirs, all_done=True, reference=image)


@pytest.mark.parametrize("kind", KINDS)
def test_channels_of_a_volume_lie_in_one_place(tmp_path: Path, kind: str) -> None:
    image, mask, off = files(tmp_path, "LPS, thick slices", kind)
    layers = [Image(data, **told) for data, told, _ in read([str(image), str(mask)])]
    if off < 0.1:
        assert len(volume_from(layers, "both").data) == 2
        assert len(read_image([image, mask], "both").data) == 2
        return
    with pytest.raises(InputError, match="another grid") as caught:
        volume_from(layers, "both")
    check_words(caught.value, off, kind)
    with pytest.raises(InputError, match="lies elsewhere") as caught:
        read_image([image, mask], "both")
    check_words(caught.value, off, kind)


def test_a_source_that_lies_elsewhere_by_now_lends_nothing(tmp_path: Path) -> None:
    """Neither its header to a mask, nor its voxels to a session without them."""
    image, *_ = files(tmp_path, "LPS, thick slices", "the same")
    _, affine = GRIDS["LPS, thick slices"]
    volume = read_volume(image)
    session = Session()
    session.add_volume(volume)
    save_session(session, tmp_path / "session")
    for stored in (tmp_path / "session" / "images").iterdir():
        shutil.rmtree(stored)
    larger = affine @ np.diag([1.009, 1.009, 1, 1])
    save(image, np.asarray(load(image).dataobj), larger)
    write_mask(tmp_path / "out.nii.gz", np.ones(volume.shape, np.uint8), volume)
    assert np.allclose(load(tmp_path / "out.nii.gz").affine, affine, atol=1e-5)
    again = load_session(tmp_path / "session").records["image"].volume
    assert np.allclose(again.affine, volume.affine)
    assert not np.asarray(again.data[0]).any(), "not another image's voxels"


@pytest.fixture
def docked(qapp: object) -> Iterator[tuple[Any, Any]]:
    """The dock on an empty model of a viewer."""
    del qapp
    with dock_without_window() as made:
        yield made


def test_an_array_without_a_place_is_taken_with_a_word(
    docked: tuple[Any, Any],
    tmp_path: Path,
) -> None:
    """Transposed over a RAS volume it may be wrong: the person reads so."""
    viewer, widget = docked
    path = save(tmp_path / "image.nii", RNG.normal(0, 1, (9, 9, 9)), np.eye(4))
    ((data, told, _),) = read(str(path))
    widget.data_controller.add_layers([viewer.add_image(data, **told)])
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[1:3, 4:8, 2:7] = 1
    widget.data_controller.masks.take(viewer.add_labels(labels), all_done=True)
    widget.workspace.work.finish()
    assert "does not say where it lies" in said()
    assert np.array_equal(widget.workspace.session.records["image"].ink, labels)
    widget.workspace.undo()
    widget.data_controller.masks.take(viewer.add_labels(labels[1:]), all_done=True)
    widget.workspace.work.finish()
    assert "has shape (8, 9, 9)" in said()
    assert not widget.workspace.session.records["image"].ink.any()


def test_two_arrays_without_a_place_are_on_one_grid() -> None:
    image = Image(RNG.normal(0, 1, (5, 9, 9)))
    mask = Labels(np.ones((5, 9, 9), np.uint8))
    session = session_of(image)
    assert not take_mask(session, "image", mask, all_done=True, reference=image)


def test_an_oblique_image_is_said_to_be_drawn_elsewhere(
    docked: tuple[Any, Any],
    tmp_path: Path,
) -> None:
    viewer, widget = docked
    straight, *_ = files(tmp_path, "RAS, origin 0", "the same")
    shape, affine = GRIDS["LPS, oblique"]
    oblique = save(tmp_path / "b.nii", RNG.normal(0, 1, shape), affine)
    layers = [viewer.add_image(d, **a) for d, a, _ in read([str(straight)])]
    widget.data_controller.add_layers(layers)
    before = len(notification_manager.records)
    layers = [viewer.add_image(d, **a) for d, a, _ in read([str(oblique)])]
    widget.data_controller.add_layers(layers)
    (note,) = [r.message for r in list(notification_manager.records)[before:]]
    assert "voxels from its place in the world" in note


def test_an_image_that_another_reader_has_rotated_is_shown_slice_by_slice(
    docked: tuple[Any, Any],
) -> None:
    """In a layer of ours, along its own axes; its place is kept for the masks."""
    viewer, widget = docked
    place = turn(1, 7) @ np.diag([3, 1, 1, 1.0])
    image = viewer.add_image(RNG.normal(0, 1, (5, 20, 24)), name="mr", affine=place)
    widget.data_controller.add_layers([image])
    (record,) = widget.workspace.session.records.values()
    shown = widget.workspace.registry.layer("mr", "image")
    assert not image.visible
    assert shown is not image
    assert np.allclose(shown.scale, (3, 1, 1))
    notes = [str(record.message) for record in notification_manager.records]
    assert any("voxels from its place in the world" in one for one in notes)
    world = nib.affines.apply_affine(record.volume.affine, (4, 19, 23))
    theirs = image.data_to_world((4, 19, 23))
    assert np.allclose(world, np.multiply(theirs[::-1], (-1, -1, 1)))
    mask = viewer.add_labels(np.ones((5, 20, 24), np.uint8), affine=place)
    widget.data_controller.masks.take(mask, all_done=True)
    widget.workspace.work.finish()
    assert record.ink.all()


def test_an_image_of_ours_that_a_person_has_rotated_is_refused(
    docked: tuple[Any, Any],
    tmp_path: Path,
) -> None:
    viewer, widget = docked
    image, *_ = files(tmp_path, "RAS, origin 0", "the same")
    ((data, told, _),) = read(str(image))
    layer = viewer.add_image(data, **told)
    layer.rotate = (0, 20, 0)
    widget.data_controller.add_layers([layer])
    assert "rotated out of" in said()
    assert not widget.workspace.session.records
