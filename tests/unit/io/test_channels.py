"""Channels are matched by number and name, labels by their files; never by count."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import nibabel as nib
import numpy as np
import pytest

from napari_contrastseg.io import images
from napari_contrastseg.io.dataset import read_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.models.model import load_model
from napari_contrastseg.tasks.dataset import DatasetTraining, train_on_dataset
from napari_contrastseg.tasks.file_prediction import FilePrediction, predict_files
from napari_contrastseg.tasks.splits import Labels, read_training, split_cases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.kit.command_line import Refused

SHAPE = (12, 16, 4)
T2_ADC = {"0": "T2", "1": "ADC"}


def write(path: Path, array: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(array, np.diag([1.0, 1.0, 3.0, 1.0])).to_filename(path)


def image(channel: str, case: str) -> NDArray[np.float32]:
    """Make an image that is told apart by its mean: T2 about 0, ADC about 1000."""
    rng = np.random.default_rng([ord(c) for c in case])
    offset = 1000.0 if channel == "ADC" else 0.0
    return (offset + rng.random(SHAPE)).astype(np.float32)


def dataset_of(
    root: Path, names: Mapping[str, str], cases: Sequence[str] = ("A", "B")
) -> Path:
    """Write a data set with one file a channel, under dataset.json's numbers."""
    for case in cases:
        for number, name in names.items():
            file = f"{case}_{int(number):04d}.nii.gz"
            write(root / "imagesTr" / file, image(name, case))
        mask = np.zeros(SHAPE, np.uint8)
        mask[3:8, 3:9] = 1
        write(root / "labelsTr" / f"{case}.nii.gz", mask)
    describe(root, names)
    return root


def describe(root: Path, names: Mapping[str, str]) -> None:
    about = {
        "channel_names": names,
        "labels": {"background": 0, "organ": 1},
        "numTraining": 2,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(about))


def train(root: Path, out: Path) -> None:
    request = DatasetTraining(
        root, out, "supervised", labels=Labels(), changes={"steps": "2"}
    )
    list(train_on_dataset(request))


def predict(model: Path, source: Path, out: Path, cases: str | None = None) -> Any:
    return list(predict_files(FilePrediction(model, source, out, cases, True)))[-1]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two channels that was trained on a data set for a moment."""
    root = tmp_path_factory.mktemp("two")
    train(dataset_of(root / "set", T2_ADC), root / "model")
    return root / "model"


# -- training ------------------------------------------------------------------


@pytest.mark.parametrize("missing", [0, 1])
def test_a_case_that_lacks_a_channel_is_not_trained_on(
    tmp_path: Path, missing: int
) -> None:
    root = dataset_of(tmp_path / "set", T2_ADC)
    (root / "imagesTr" / f"B_000{missing}.nii.gz").unlink()
    with pytest.raises(InputError, match=rf"B_000{missing}.nii.gz: .* case B .*add it"):
        train(root, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_cases_that_lack_different_channels_are_not_mixed(tmp_path: Path) -> None:
    """Each has one file: equal numbers of channels, unequal channels."""
    root = dataset_of(tmp_path / "set", T2_ADC)
    (root / "imagesTr" / "A_0001.nii.gz").unlink()
    (root / "imagesTr" / "B_0000.nii.gz").unlink()
    with pytest.raises(InputError, match=r"B_0000\.nii\.gz"):
        train(root, tmp_path / "model")


def test_a_channel_that_all_cases_lack_is_missed(tmp_path: Path) -> None:
    root = dataset_of(tmp_path / "set", {"0": "T2", "1": "DWI", "2": "ADC"})
    for path in (root / "imagesTr").glob("*_0001.nii.gz"):
        path.unlink()
    with pytest.raises(InputError, match=r"A_0001\.nii\.gz"):
        train(root, tmp_path / "model")


@pytest.mark.parametrize("names", [{"0": "T2"}, {"0": "T2", "1": "ADC"}])
def test_the_number_of_channels_is_what_dataset_json_names(
    tmp_path: Path, names: Mapping[str, str]
) -> None:
    there = {"0": "T2"} if len(names) == 2 else T2_ADC
    root = dataset_of(tmp_path / "set", there)
    describe(root, names)
    with pytest.raises(InputError, match=r"case A has . channels?, but dataset.json"):
        train(root, tmp_path / "model")


def test_cases_that_are_not_used_may_lack_a_channel(tmp_path: Path) -> None:
    root = dataset_of(tmp_path / "set", T2_ADC, ("A", "B", "C"))
    (root / "imagesTr" / "C_0001.nii.gz").unlink()
    found = read_dataset(root)
    only = Labels(cases=("A",))
    split = split_cases(found, None)
    training = read_training(found, split, only, axis=None, unlabelled=False)
    assert training.volumes[0].volume.channels == ("T2", "ADC")


def test_names_belong_to_numbers_not_to_their_order_in_the_file(tmp_path: Path) -> None:
    root = dataset_of(tmp_path / "set", {"1": "ADC", "0": "T2"})
    found = read_dataset(root)
    assert found.channels == ("T2", "ADC")
    volume = found.read(found.case("A"))
    assert volume.channels == ("T2", "ADC")
    assert [float(np.mean(c)) > 500 for c in volume.data] == [False, True]


@pytest.mark.parametrize("names", [{"1": "T2", "2": "ADC"}, {"T2": "0"}, {}])
def test_channels_without_numbers_are_refused(
    tmp_path: Path, names: Mapping[str, str]
) -> None:
    root = dataset_of(tmp_path / "set", T2_ADC)
    describe(root, names)
    with pytest.raises(InputError, match="number them 0, 1, 2"):
        read_dataset(root)


@pytest.mark.parametrize("names", [("R", "G", "B"), ("photograph",)])
def test_one_file_may_hold_all_the_channels(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    root = tmp_path / "set"
    describe(dataset_of(root, {"0": "x"}, ("A",)), {})
    (root / "imagesTr" / "A_0000.nii.gz").unlink()
    iio.imwrite(root / "imagesTr" / "A_0000.png", np.zeros((8, 8, 3), np.uint8))
    about = json.loads((root / "dataset.json").read_text())
    about["file_ending"] = ".png"
    about["channel_names"] = {str(i): name for i, name in enumerate(names)}
    (root / "dataset.json").write_text(json.dumps(about))
    found = read_dataset(root)
    volume = found.read(found.cases[0])
    assert volume.channels == (names if len(names) == 3 else ("red", "green", "blue"))


# -- labels --------------------------------------------------------------------


def test_a_label_that_links_to_nothing_is_named(tmp_path: Path) -> None:
    root = dataset_of(tmp_path / "set", {"0": "T2"})
    label = root / "labelsTr" / "B.nii.gz"
    label.unlink()
    label.symlink_to(tmp_path / "moved.nii.gz")
    with pytest.raises(InputError, match=r"B.nii.gz: is a link .* not there"):
        train(root, tmp_path / "model")
    shutil.copy(root / "labelsTr" / "A.nii.gz", tmp_path / "moved.nii.gz")
    train(root, tmp_path / "model")


def test_a_label_that_is_a_folder_is_named(tmp_path: Path) -> None:
    root = dataset_of(tmp_path / "set", {"0": "T2"})
    label = root / "labelsTr" / "B.nii.gz"
    label.unlink()
    label.mkdir()
    with pytest.raises(InputError, match=r"B.nii.gz: is a folder, not a file"):
        train(root, tmp_path / "model")


def test_labels_that_are_not_used_may_be_missing(tmp_path: Path) -> None:
    root = dataset_of(tmp_path / "set", {"0": "T2"})
    label = root / "labelsTr" / "B.nii.gz"
    label.unlink()
    label.symlink_to(tmp_path / "moved.nii.gz")
    found = read_dataset(root)
    only = Labels(cases=("A",))
    split = split_cases(found, None)
    training = read_training(found, split, only, axis=None, unlabelled=False)
    assert training.labelled_cases == ("A",)


# -- prediction ----------------------------------------------------------------


def test_the_same_names_in_another_order_are_matched(
    model: Path, tmp_path: Path
) -> None:
    assert load_model(model).card.input.channels == ("T2", "ADC")
    same = dataset_of(tmp_path / "same", T2_ADC)
    turned = dataset_of(tmp_path / "turned", {"0": "ADC", "1": "T2"})
    predict(model, same, tmp_path / "one")
    predict(model, turned, tmp_path / "two")
    for case in "AB":
        one, two = (
            images.read_volume(tmp_path / out / f"{case}_confidence.nii.gz").data[0]
            for out in ("one", "two")
        )
        assert np.array_equal(one, two)


def test_channels_of_another_name_are_refused(
    model: Path,
    tmp_path: Path,
    refused: Refused,
) -> None:
    other = dataset_of(tmp_path / "other", {"0": "T2", "1": "T1"})
    out = tmp_path / "out"
    said = refused("predict", model, other, "--cases", "A", "--out", out)
    assert "has the channels T2, T1, but the model was trained on T2, ADC" in said
    assert not out.exists()


def test_a_model_without_names_is_matched_by_numbers(
    model: Path, tmp_path: Path
) -> None:
    """Models of the window, and those written before names were kept."""
    old = tmp_path / "old"
    shutil.copytree(model, old)
    card = json.loads((old / "model.json").read_text())
    del card["training"]["named_channels"]
    card["input"]["channels"] = ["image 0", "image 1"]
    (old / "model.json").write_text(json.dumps(card))
    source = dataset_of(tmp_path / "set", {"0": "T1", "1": "T2"})
    assert predict(old, source, tmp_path / "out")["cases"] == ["A", "B"]


def test_two_channels_of_one_name_keep_their_order(model: Path, tmp_path: Path) -> None:
    made = load_model(model)
    source = dataset_of(tmp_path / "set", {"0": "MR", "1": "CT", "2": "CT"}, ("A",))
    found = read_dataset(source)
    volume = found.read(found.cases[0])
    twice = load_model(model)
    object.__setattr__(made.card.input, "channels", ("CT", "CT", "MR"))
    ordered = made.in_order(volume)
    assert ordered.channels == ("CT", "CT", "MR")
    expected = [volume.data[1], volume.data[2], volume.data[0]]
    assert all(a is b for a, b in zip(ordered.data, expected, strict=True))
    with pytest.raises(InputError, match="has 3 channels"):
        twice.in_order(volume)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["A_0000", "A_0001", "B_0001", "B_0002"], "B_0000.nii.gz: this channel"),
        (["A_0000", "A_0002"], "A_0001.nii.gz: this channel"),
        (["A_0000", "A_0001", "B_0001"], "B_0000.nii.gz: this channel"),
        (["A_0000", "A_0001", "B"], "B_0000.nii.gz: this channel"),
        (["A_0001", "A"], "A_0000.nii.gz: this channel"),
        (["A_0000", "A_0001", "A_0002"], "A_0002.nii.gz: is one file too many"),
        (["A_0000", "A_0001", "A"], "A.nii.gz: is one file too many"),
    ],
)
def test_files_of_a_folder_are_matched_by_their_numbers(
    model: Path,
    tmp_path: Path,
    files: list[str],
    said: str,
    refused: Refused,
) -> None:
    for name in files:
        write(tmp_path / "in" / f"{name}.nii.gz", image("T2", name))
    printed = refused("predict", model, tmp_path / "in", "--out", tmp_path / "out")
    assert said in printed
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "said"), [([], "A_0001.nii: this"), (["A_0001.nii"], "one file too many")]
)
def test_two_files_for_one_channel_are_not_two_channels(
    model: Path, tmp_path: Path, more: list[str], said: str
) -> None:
    for name in ["A_0000.nii", "A_0000.nii.gz", *more]:
        write(tmp_path / "in" / name, image("T2", "A"))
    with pytest.raises(InputError, match=said):
        predict(model, tmp_path / "in", tmp_path / "out")


def test_cases_that_are_left_out_may_be_incomplete(model: Path, tmp_path: Path) -> None:
    for name in ("A_0000", "A_0001", "B_0001"):
        write(tmp_path / "in" / f"{name}.nii.gz", image("T2", name))
    assert predict(model, tmp_path / "in", tmp_path / "out", "A")["cases"] == ["A"]


def test_an_image_that_links_to_nothing_is_not_left_out(
    model: Path, tmp_path: Path
) -> None:
    for name in ("A_0000", "A_0001", "B_0000"):
        write(tmp_path / "in" / f"{name}.nii.gz", image("T2", name))
    (tmp_path / "in" / "B_0001.nii.gz").symlink_to(tmp_path / "gone.nii.gz")
    with pytest.raises(InputError, match=r"B_0001.nii.gz: is a link"):
        predict(model, tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()
