"""Files of masks: classes matched by name, units of distances, 0 and 255."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.evaluation.mask_files import evaluate
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import write_mask
from napari_contrastseg.io.json import write_json
from napari_contrastseg.io.volume import Source, Volume, array_affine
from tests.kit.command_line import here
from tests.kit.nifti import save
from tests.kit.nrrd_segments import with_segments

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TRUTH = np.zeros((4, 5, 6), np.uint8)
TRUTH[1:3, 1:3, 1:3] = 1
TRUTH[1:3, 3:5, 4:] = 2
SWAPPED = np.array([0, 2, 1], np.uint8)[TRUTH]


def labels(root: Path, names: Mapping[str, int], array: np.ndarray = TRUTH) -> Path:
    """A data set's labels, and what their values are called."""
    folder = root / "labelsTr"
    folder.mkdir(parents=True)
    save(folder / "a.nii.gz", array, np.eye(4))
    about = {"channel_names": {"0": "CT"}, "file_ending": ".nii.gz"}
    write_json(root / "dataset.json", about | {"labels": {"background": 0, **names}})
    return folder


def predictions(
    folder: Path, names: Mapping[int, str], array: np.ndarray = TRUTH
) -> Path:
    """Masks as `predict` leaves them."""
    folder.mkdir()
    save(folder / "a.nii.gz", array, np.eye(4))
    if names:
        write_json(
            folder / "predictions.json",
            {"classes": {str(value): name for value, name in names.items()}},
        )
    return folder


def test_equal_names_of_other_numbers_are_one_class(tmp_path: Path) -> None:
    """By number alone, a perfect prediction would score 0."""
    truth = labels(tmp_path / "set", {"liver": 1, "Left_kidney": 2})
    masks = predictions(tmp_path / "p", {2: "Liver", 1: "left kidney"}, SWAPPED)
    found = evaluate(masks, truth)
    assert found["dice"] == {"liver": 1.0, "Left_kidney": 1.0}
    assert found["matched"] == "name"
    assert "notes" not in found
    one = evaluate(masks / "a.nii.gz", truth / "a.nii.gz")
    assert one["dice"] == found["dice"]


def test_two_data_sets_are_matched_by_name(tmp_path: Path) -> None:
    first = labels(tmp_path / "first", {"liver": 1, "kidney": 2})
    second = labels(tmp_path / "second", {"kidney": 1, "liver": 2}, SWAPPED)
    assert evaluate(second, first)["dice"] == {"liver": 1.0, "kidney": 1.0}


def test_other_names_of_one_number_are_refused(tmp_path: Path) -> None:
    truth = labels(tmp_path / "set", {"liver": 1, "kidney": 2})
    masks = predictions(tmp_path / "p", {1: "spleen", 2: "kidney"})
    said = here("evaluate", masks, truth)
    assert said.status == 2
    assert said.err.count("\n") == 1
    for words in (
        f"{masks / 'predictions.json'}: calls the value 1 'spleen'",
        f"{truth.parent / 'dataset.json'} calls it 'liver'",
    ):
        assert words in said.err


def test_a_class_of_predictions_alone_scores_0(tmp_path: Path) -> None:
    """Also where its number is that of another class of the labels, or of ignore."""
    truth = labels(tmp_path / "set", {"liver": 2}, TRUTH * (TRUTH == 2))
    masks = predictions(tmp_path / "p", {1: "liver", 2: "cyst"}, SWAPPED)
    assert evaluate(masks, truth)["dice"] == {"liver": 1.0, "cyst": 0.0}
    truth = labels(tmp_path / "other", {"liver": 1, "ignore": 2}, TRUTH * (TRUTH < 2))
    masks = predictions(tmp_path / "q", {1: "liver", 2: "cyst"})
    assert evaluate(masks, truth)["dice"] == {"liver": 1.0, "cyst": 0.0}


def test_what_is_ignored_on_either_side_is_no_class(tmp_path: Path) -> None:
    first = labels(tmp_path / "first", {"liver": 1, "kidney": 2, "ignore": 3})
    second = labels(tmp_path / "second", {"kidney": 1, "liver": 2, "ignore": 5})
    save(second / "a.nii.gz", np.where(SWAPPED, SWAPPED, 5), np.eye(4))
    assert evaluate(second, first)["dice"] == {"liver": 1.0, "kidney": 1.0}
    assert evaluate(first, second)["dice"] == {"kidney": 1.0, "liver": 1.0}


@pytest.mark.parametrize("names", [{}, {1: "class 1", 2: "Segment_2"}])
def test_without_names_numbers_are_matched_and_it_is_said(
    tmp_path: Path, names: dict[int, str]
) -> None:
    truth = labels(tmp_path / "set", {"liver": 1, "kidney": 2})
    masks = predictions(tmp_path / "p", names)
    said = here("evaluate", masks, truth)
    assert said.status == 0
    assert "liver" in said.out
    assert f"{masks}" in said.err
    assert "matched by number" in said.err
    found = evaluate(masks, truth)
    assert found["dice"] == {"liver": 1.0, "kidney": 1.0}
    assert found["matched"] == "number"


def test_names_of_segments_count(tmp_path: Path) -> None:
    """As 3D Slicer writes them, each file its own."""
    truth = labels(tmp_path / "set", {"liver": 1, "kidney": 2})
    plain = save(tmp_path / "a.nii", SWAPPED, np.eye(4))
    masks = tmp_path / "p"
    masks.mkdir()
    with_segments(plain, masks / "a.nrrd", {2: "liver", 1: "kidney"})
    assert evaluate(masks, truth)["dice"] == {"liver": 1.0, "kidney": 1.0}
    with_segments(plain, masks / "a.nrrd", {2: "liver", 1: "spleen"})
    found = evaluate(masks, truth)["dice"]  # spleen's number is no segment's there
    assert found == {"liver": 1.0, "kidney": 0.0, "spleen": 0.0}
    with_segments(plain, masks / "a.nrrd", {2: "Spleen", 1: "spleen"})
    with pytest.raises(InputError, match="both 'spleen', so their classes cannot"):
        evaluate(masks, truth)


def test_a_value_without_a_name_is_not_guessed(tmp_path: Path) -> None:
    """Its number is a class that the masks have under another number."""
    truth = labels(tmp_path / "set", {"liver": 1, "kidney": 2})
    masks = predictions(tmp_path / "p", {1: "kidney"}, SWAPPED)
    with pytest.raises(InputError, match="gives the value 2 no name"):
        evaluate(masks, truth)


def test_0_and_255_have_the_name_of_the_one_class(tmp_path: Path) -> None:
    one = (TRUTH == 1).astype(np.uint8)
    truth = labels(tmp_path / "set", {"liver": 1}, one * 255)
    masks = predictions(tmp_path / "p", {1: "liver"}, one)
    assert evaluate(masks, truth)["dice"] == {"liver": 1.0}


def pair(folder: Path, name: str, sizes: tuple[float, ...], **source: Any) -> None:
    """A mask and its label as TIFF, one pixel apart along the middle axis."""
    truth = np.zeros((9, 9, 9), np.uint8)
    truth[3:6, 3:6, 3:6] = 1
    affine = array_affine(np.array(sizes))
    volume = Volume(name, (truth,), affine, source=Source(None, **source))
    write_mask(folder / "labels" / f"{name}.tif", truth, volume)
    write_mask(folder / "masks" / f"{name}.tif", np.roll(truth, 1, axis=1), volume)


def test_the_unit_of_distances_is_said(tmp_path: Path) -> None:
    """Micrometres are no mm, and a ratio of sides is no length."""
    pair(tmp_path / "a", "small", (3e-3, 2e-3, 2e-3))
    found = evaluate(tmp_path / "a" / "masks", tmp_path / "a" / "labels")
    assert found["unit"] == "mm"
    assert found["hd95_mm"] == found["hd"] == pytest.approx(2e-3)
    pair(tmp_path / "b", "ratio", (3.0, 1.0, 1.0), unit="pixel")
    found = evaluate(tmp_path / "b" / "masks", tmp_path / "b" / "labels")
    assert found["unit"] == "pixel"
    assert found["hd95"] == pytest.approx(1.0)
    assert found["hd95_mm"] is found["assd_mm"] is None
    assert found["hd95_mm_per_class"] == {}


def test_mm_and_pixels_are_not_averaged(tmp_path: Path) -> None:
    pair(tmp_path, "small", (3e-3, 2e-3, 2e-3))
    pair(tmp_path, "ratio", (3.0, 1.0, 1.0), unit="pixel")
    found = evaluate(tmp_path / "masks", tmp_path / "labels")
    assert found["unit"] is found["hd95"] is found["hd95_mm"] is None
    assert found["cases"] == 2
    assert found["mean_dice"] == pytest.approx(2 / 3, abs=1e-4)


def test_masks_of_0_and_255_are_scored_against_class_1(tmp_path: Path) -> None:
    """Else one and the same mask would score 0."""
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1:3, 1:3, 1:3] = 1
    one = save(tmp_path / "one.nii.gz", labels, np.eye(4))
    white = save(tmp_path / "white.nii.gz", labels * 255, np.eye(4))
    for mask, truth in ((one, white), (white, one)):
        assert evaluate(mask, truth)["dice"] == {"1": 1.0}
    assert evaluate(white, white)["dice"] == {"255": 1.0}
    two = save(tmp_path / "two.nii.gz", labels * 2, np.eye(4))
    assert evaluate(two, white)["dice"] == {"2": 0.0, "255": 0.0}


@pytest.mark.parametrize("folder", ["masks", "labels"])
def test_two_files_of_one_case_are_refused(tmp_path: Path, folder: str) -> None:
    """One would count twice, or another one than was meant."""
    pair(tmp_path, "a", (1.0, 1.0, 1.0))
    (tmp_path / folder / "a.tiff").write_bytes(
        (tmp_path / folder / "a.tif").read_bytes()
    )
    with pytest.raises(InputError, match=r"a.tiff: is a second mask of the case that"):
        evaluate(tmp_path / "masks", tmp_path / "labels")
