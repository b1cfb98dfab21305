"""Data sets and folders as people have them: read as meant, or refused in words."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_contrastseg.io.dataset import read_dataset, read_truth
from napari_contrastseg.io.inputs import find_inputs
from napari_contrastseg.learning.models.model import save_model
from tests.kit.command_line import here
from tests.kit.rounds import a_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.dataset import Dataset

SHAPE = (24, 20, 8)
AFFINE = np.diag([-1.0, -1, 3, 1])
RNG = np.random.default_rng(0)
MASK = np.zeros(SHAPE, np.uint8)
MASK[4:14, 4:12, 2:6] = 1
USUAL: dict[str, Any] = {
    "channel_names": {"0": "MR"},
    "labels": {"background": 0, "core": 1},
    "file_ending": ".nii.gz",
}


def nifti(path: Path, values: NDArray[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(values, AFFINE).to_filename(path)
    return path


def image(channels: int = 1) -> NDArray[np.float32]:
    grey = RNG.normal(100, 10, (*SHAPE, channels)).astype(np.float32)
    grey[MASK > 0] += 80
    return grey.squeeze(-1) if channels == 1 else grey


def dataset_of(root: Path, about: Any = USUAL, number: str = "_0000") -> Path:
    for case in ("c0", "c1"):
        nifti(root / "imagesTr" / f"{case}{number}.nii.gz", image())
        nifti(root / "labelsTr" / f"{case}.nii.gz", MASK)
    (root / "dataset.json").write_text(json.dumps(about))
    return root


def train(root: Path, tmp_path: Path) -> Any:
    """Train for one step."""
    out = tmp_path / "model"
    words = ("--recipe", "supervised", "--steps", 1, "--device", "cpu", "--out", out)
    return here("train", root, *words)


def assert_refused(done: Any, said: str) -> None:
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"contrastseg: {said}"), done.err
    assert done.err.count("\n") == 1
    assert done.err.count(". ") == 0


# -- dataset.json --------------------------------------------------------------

DECATHLON = {
    "name": "Hippocampus",
    "tensorImageSize": "3D",
    "modality": {"0": "MR"},
    "labels": {"0": "background", "1": "core"},
    "numTraining": 2,
    "training": [{"image": "./imagesTr/c0.nii.gz", "label": "./labelsTr/c0.nii.gz"}],
}
SAME: dict[str, tuple[Any, str]] = {
    "Decathlon": (DECATHLON, ""),
    "nnU-Net's first version": (DECATHLON, "_0000"),
    "labels by number": (USUAL | {"labels": {"0": "background", "1": "core"}}, "_0000"),
    "labels in a list": (USUAL | {"labels": ["background", "core"]}, "_0000"),
    "numbers as text": (USUAL | {"labels": {"background": "0", "core": "1"}}, "_0000"),
    "numbers as floats": (
        USUAL | {"labels": {"background": 0.0, "core": 1.0}},
        "_0000",
    ),
    "channels in a list": (USUAL | {"channel_names": ["MR"]}, "_0000"),
    "ending without dot": (USUAL | {"file_ending": "nii.gz"}, "_0000"),
    "ending in capitals": (USUAL | {"file_ending": ".NII.GZ"}, "_0000"),
    "names of numbers": (USUAL | {"labels": {"background": 0, "7": 1}}, "_0000"),
}


@pytest.mark.parametrize("kind", SAME)
def test_variants_of_dataset_json_mean_the_same(kind: str, tmp_path: Path) -> None:
    about, number = SAME[kind]
    found = read_dataset(dataset_of(tmp_path / "d", about, number))
    assert found.classes == {1: "7" if kind == "names of numbers" else "core"}
    assert found.ignore is None
    assert found.channels == ("MR",)
    assert [case.id for case in found.cases] == ["c0", "c1"]
    for case in found.cases:
        volume = found.read(case)
        truth = read_truth(found, case, volume)
        assert volume.channels == ("MR",)
        assert np.array_equal(volume.source.to_file_order(truth), MASK)


def test_a_data_set_of_the_decathlon_is_trained_on(tmp_path: Path) -> None:
    done = train(dataset_of(tmp_path / "d", DECATHLON, ""), tmp_path)
    assert done.status == 0
    card = json.loads((tmp_path / "model" / "model.json").read_text())
    assert [entry["name"] for entry in card["classes"]] == ["core"]


def test_the_fourth_axis_of_the_decathlons_files_is_channels(tmp_path: Path) -> None:
    root = dataset_of(
        tmp_path / "d", DECATHLON | {"modality": {"0": "FLAIR", "1": "T1w"}}, ""
    )
    both = image(2)
    for case in ("c0", "c1"):
        nifti(root / "imagesTr" / f"{case}.nii.gz", both)
    found = read_dataset(root)
    volume = found.read(found.cases[0])
    assert volume.channels == ("FLAIR", "T1w")
    for number, channel in enumerate(volume.data):
        order = volume.source.to_file_order(np.asarray(channel))
        assert np.array_equal(order, both[..., number])


def test_a_mark_of_the_byte_order_is_no_damage(tmp_path: Path) -> None:
    root = dataset_of(tmp_path / "d")
    (root / "dataset.json").write_text("\ufeff" + json.dumps(USUAL), encoding="utf-8")
    assert read_dataset(root).channels == ("MR",)


ODD: dict[str, tuple[Any, str]] = {
    "regions": (
        USUAL | {"labels": {"background": 0, "whole": [1, 2], "core": 2}},
        "makes 'whole' a region of several label values",
    ),
    "fractions": (
        USUAL | {"labels": {"background": 0, "core": 1.5}},
        "gives label 'core' the value 1.5; it must be a whole number, 0 or above.",
    ),
    "negative": (
        USUAL | {"labels": {"background": 0, "core": -1}},
        "gives label 'core' the value -1; it must be a whole number, 0 or above.",
    ),
    "truth": (
        USUAL | {"labels": {"background": 0, "core": True}},
        "gives label 'core' the value True; it must be a whole number, 0 or above.",
    ),
    "beyond": (
        USUAL | {"labels": {"background": 0, "core": 255}},
        "gives class 'core' the number 255; class numbers must lie within 1 and 254",
    ),
    "one number twice": (
        USUAL | {"labels": {"background": 0, "a": 1, "b": 1}},
        "gives the labels 'a' and 'b' one number, 1; give each its own",
    ),
    "one name twice": (
        USUAL | {"labels": {"0": "background", "1": "a", "2": "a"}},
        "has two labels of the name 'a'; rename one.",
    ),
    "no labels": ({"channel_names": {"0": "MR"}}, "names no labels; list them with"),
    "labels of text": (USUAL | {"labels": "core"}, "names no labels; list them with"),
    "no channels": ({"labels": {"core": 1}}, "has no channel_names; name the channels"),
    "no object": ([1, 2], "holds no JSON object with labels and channel_names"),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_dataset_json_lacks_is_said_in_plain_words(
    kind: str, tmp_path: Path
) -> None:
    about, said = ODD[kind]
    root = dataset_of(tmp_path / "d", about)
    assert_refused(train(root, tmp_path), f"{root / 'dataset.json'}: {said}")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "cannot be read as JSON ("),
        (b'{"labels": {"core": 1,}}', "cannot be read as JSON (trailing comma"),
        (json.dumps(USUAL).encode("utf-16"), "is not text in UTF-8; save it as such."),
    ],
)
def test_broken_json_is_named(raw: bytes, said: str, tmp_path: Path) -> None:
    root = dataset_of(tmp_path / "d")
    (root / "dataset.json").write_bytes(raw)
    assert_refused(train(root, tmp_path), f"{root / 'dataset.json'}: {said}")


# -- files of a data set -------------------------------------------------------


def renamed(label: str, new: str) -> Callable[[Path], str]:
    def change(root: Path) -> str:
        (root / "labelsTr" / label).rename(root / "labelsTr" / new)
        case = label.removesuffix(".nii.gz")
        return (
            f"{root / 'labelsTr' / new}: is the label of no case, and case {case} has "
            f"none; save it as {label} if it is its label, or move it elsewhere."
        )

    return change


def no_folder_of_labels(root: Path) -> str:
    shutil.rmtree(root / "labelsTr")
    return (
        f"{root}: no training case has labels in labelsTr; a label is named as its "
        "case is, c0.nii.gz for instance."
    )


def labels_in_a_file(root: Path) -> str:
    shutil.rmtree(root / "labelsTr")
    (root / "labelsTr").write_text("none")
    return f"{root / 'labelsTr'}: is a file; it must be a folder."


def images_of_another_ending(root: Path) -> str:
    for case in ("c0", "c1"):
        nifti(root / "imagesTr" / f"{case}_0000.nii", image())
        (root / "imagesTr" / f"{case}_0000.nii.gz").unlink()
    return (
        f"{root / 'imagesTr'}: holds no images named CASE_0000.nii.gz; its files end "
        "in .nii (the ending is the file_ending of dataset.json)."
    )


def label_of_255(root: Path) -> str:
    both = MASK.copy()
    both[5:9, 5:9, 3] = 255
    path = nifti(root / "labelsTr" / "c1.nii.gz", both)
    return (
        f"{path}: holds the label values [255] that {root / 'dataset.json'} does not "
        "name; give them numbers from 1 to 254 in the mask."
    )


def label_of_two_times(root: Path) -> str:
    path = nifti(root / "labelsTr" / "c1.nii.gz", np.stack([MASK, MASK], -1))
    return (
        f"{path}: holds several images, and a data set has one in a file; save one of "
    )


def image_of_two_times(root: Path) -> str:
    path = nifti(root / "imagesTr" / "c1_0000.nii.gz", image(2))
    return (
        f"{path}: holds several images, and a data set has one in a file; save one of "
    )


FILES: dict[str, Callable[[Path], str]] = {
    "a label with a channel number": renamed("c1.nii.gz", "c1_0000.nii.gz"),
    "a label with a suffix": renamed("c0.nii.gz", "c0_seg.nii.gz"),
    "a label with words": renamed("c0.nii.gz", "c0 mask (copy).nii.gz"),
    "a label of another ending": renamed("c1.nii.gz", "c1.nrrd"),
    "a label in capitals": renamed("c1.nii.gz", "C1_Seg.nii.gz"),
    "no folder of labels": no_folder_of_labels,
    "labels in a file": labels_in_a_file,
    "images of another ending": images_of_another_ending,
    "255 beside a class": label_of_255,
    "a label of two times": label_of_two_times,
    "an image of two times": image_of_two_times,
}


@pytest.mark.parametrize("kind", FILES)
def test_files_of_other_names_are_not_left_out_without_a_word(
    kind: str, tmp_path: Path
) -> None:
    root = dataset_of(tmp_path / "d")
    said = FILES[kind](root)
    assert_refused(train(root, tmp_path), said)


def test_all_labels_with_channel_numbers_are_named(tmp_path: Path) -> None:
    root = dataset_of(tmp_path / "d")
    for case in ("c1", "c0"):
        said = renamed(f"{case}.nii.gz", f"{case}_0000.nii.gz")(root)
    assert_refused(train(root, tmp_path), said)


def test_a_longer_name_is_another_case(tmp_path: Path) -> None:
    """And a case without a label stays one."""
    root = dataset_of(tmp_path / "d")
    nifti(root / "imagesTr" / "c10_0000.nii.gz", image())
    (root / "labelsTr" / "c1.nii.gz").rename(root / "labelsTr" / "c10.nii.gz")
    found: Dataset = read_dataset(root)
    found.check_labels(case.id for case in found.cases)
    assert [case.id for case in found.cases if case.label] == ["c0", "c10"]


def test_a_file_in_place_of_the_folder_is_called_a_file(tmp_path: Path) -> None:
    root = dataset_of(tmp_path / "d") / "dataset.json"
    assert_refused(
        train(root, tmp_path), f"{root}: is a file; give the folder of the data set."
    )


# -- names of what is predicted ------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "m"
    save_model(folder, a_model())
    return folder


def picture(path: Path) -> None:
    grey = RNG.integers(0, 200, SHAPE).astype(np.uint8)
    if path.suffix == ".tif":
        tifffile.imwrite(path, grey.T)
    elif path.suffix == ".png":
        Image.fromarray(grey[:, :, 0]).save(path)
    else:
        nifti(path, grey)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (["scan_2019.nii.gz"], ["scan_2019.nii.gz"]),
        (["scan_2019.nii.gz", "scan_2020.nii.gz"],) * 2,
        (["scan_2019.nii.gz", "other_2020.nii.gz"],) * 2,
        (["IMG_0001.png", "IMG_0002.png"],) * 2,
        (["IMG_0001.png"], ["IMG_0001.png"]),
        (["IMG_0000.png", "IMG_0001.png"],) * 2,
        (["a_0000.nii.gz", "b_0000.nii.gz"], ["a.nii.gz", "b.nii.gz"]),
        (["a_0000.tif", "b_1999.tif"], ["a.tif", "b_1999.tif"]),
    ],
)
def test_masks_keep_the_names_of_their_images(
    given: list[str], made: list[str], model: Path, tmp_path: Path
) -> None:
    """But for the number of the one channel."""
    (tmp_path / "in").mkdir()
    for name in given:
        picture(tmp_path / "in" / name)
    source = tmp_path / "in" / given[0] if len(given) == 1 else tmp_path / "in"
    done = here("predict", model, source, "--out", tmp_path / "out", "--device", "cpu")
    assert done.status == 0
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files - {"predictions.json"} == set(made)


def test_numbers_of_channels_still_bring_files_together(tmp_path: Path) -> None:
    names = ["a_0000.png", "a_0001.png", "b_2019.png"]
    for name in names:
        picture(tmp_path / name)
    found = find_inputs(tmp_path, 2)
    assert {case: [p.name for p in files] for case, files in found.items()} == {
        "a": names[:2],
        "b_2019": names[2:],
    }


def test_an_output_that_is_a_file_is_refused_before_the_work(
    model: Path, tmp_path: Path
) -> None:
    source, out = nifti(tmp_path / "a.nii.gz", image()), tmp_path / "out"
    out.write_text("mine")
    done = here("predict", model, source, "--out", out)
    assert_refused(done, f"{out}: is a file; choose a folder for the output.")
    assert out.read_text() == "mine"
