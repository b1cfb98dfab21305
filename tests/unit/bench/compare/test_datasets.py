"""Public data sets are converted by their protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from napari_contrastseg.bench.compare import datasets as converted
from napari_contrastseg.bench.compare.published import published
from napari_contrastseg.io.dataset import read_dataset, read_truth
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.splits import Split, read_training

if TYPE_CHECKING:
    from pathlib import Path


def test_pictures_become_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "Kvasir-SEG"
    for part, count in (("train", 12), ("validation", 3)):
        for folder in ("images", "masks"):
            (source / part / folder).mkdir(parents=True)
        for number in range(count):
            picture = np.zeros((16, 24, 3), np.uint8)
            picture[..., 0] = 10 * number
            mask = np.zeros((16, 24), np.uint8)
            mask[:, 12:] = 255
            for folder, array in (("images", picture), ("masks", mask)):
                imageio.imwrite(source / part / folder / f"{number}.jpg", array)
    monkeypatch.setattr(converted, "KVASIR_TRAINING", 10)
    root = converted.as_dataset(source, tmp_path / "data")
    assert root == tmp_path / "data" / "Kvasir-SEG"
    found = read_dataset(root)
    assert len(found.cases) == 15
    split = converted.split_of(found, 0)
    files = sorted(path.name for path in (source / "train" / "images").iterdir())
    drawn = np.random.default_rng(0).permutation(files)[:10]
    assert split.train == tuple(f"train_{name[:-4]}" for name in drawn)
    assert len(split.test) == 3
    assert converted.split_of(found, 1).train != split.train
    labels = converted.labels_of(found, 0.2)
    training = read_training(found, split, labels, axis=None, unlabelled=True)
    assert training.labelled_cases == split.train[:2]
    assert len(training.volumes) == 10
    first = training.volumes[0]
    assert first.volume.shape == (1, 16, 24)
    assert first.volume.channels == ("red", "green", "blue")
    assert first.volume.kind == "stack"
    assert first.target is not None
    assert np.array_equal(first.target[0], np.tile([0] * 12 + [1] * 12, (16, 1)))

    made = (root / "dataset.json").stat().st_mtime_ns
    assert converted.as_dataset(source, tmp_path / "data") == root
    assert (root / "dataset.json").stat().st_mtime_ns == made
    assert converted.as_dataset(root, tmp_path) == root
    (source / "validation" / "masks" / "0.jpg").write_bytes(b"rubbish")
    with pytest.raises(InputError, match=r"0\.jpg: cannot be read as JPEG"):
        converted.as_dataset(source, tmp_path / "other")
    assert not list((tmp_path / "other").iterdir())


def check_isbi(source: Path, cache: Path) -> None:
    found = read_dataset(converted.as_dataset(source, cache))
    split = converted.split_of(found, 3)
    assert split == Split(("train",), ("test",))
    image, label = (tifffile.imread(source / f"{n}.tif") for n in ("image", "label"))
    for fraction, slices in ((0.07, [7]), (0.14, [3, 11]), (0.27, [1, 5, 9, 13])):
        labels = converted.labels_of(found, fraction)
        training = read_training(found, split, labels, axis=None, unlabelled=True)
        (entry,) = training.volumes
        assert entry.volume.axis == 0
        assert entry.target is not None
        assert np.flatnonzero((entry.target >= 0).any((1, 2))).tolist() == slices
        assert np.array_equal(entry.volume.data[0], image[:15])
    (test,) = converted.labelled_volumes(found, split.test)
    truth = read_truth(found, found.case("test"), test)
    assert np.array_equal(truth, label[20:30])
    assert converted.seed_of(found, 5, 3) == 8


def test_a_stack_becomes_a_data_set(tmp_path: Path) -> None:
    source = tmp_path / "ISBI2012"
    source.mkdir()
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (30, 12, 16), np.uint8)
    tifffile.imwrite(source / "image.tif", image)
    tifffile.imwrite(source / "label.tif", (image > 99).astype(np.uint8))
    check_isbi(source, tmp_path / "data")
    tifffile.imwrite(source / "label.tif", image[:20])
    with pytest.raises(InputError, match="download them again"):
        converted.as_dataset(source, tmp_path / "other")


def test_ordinary_data_sets_are_left_alone(dataset: Path, tmp_path: Path) -> None:
    assert converted.as_dataset(dataset, tmp_path / "data") == dataset
    found = read_dataset(dataset)
    assert converted.labels_of(found, 0.5).fraction == 0.5
    assert converted.seed_of(found, 5, 3) == 5
    assert not (tmp_path / "data").exists()


def test_real_data_follow_their_protocols(data_root: Path, tmp_path: Path) -> None:
    check_isbi(data_root / "ISBI2012", tmp_path)
    pictures = data_root / "Kvasir-SEG" / "train"
    for path in sorted((pictures / "images").iterdir())[:3]:
        picture = converted._read_picture(path, "RGB")
        mask = converted._read_picture(pictures / "masks" / path.name, "L")
        assert picture.shape == (352, 352, 3)
        assert 0 < (mask > converted.MASK_THRESHOLD).mean() < 1
    for name, fraction, count in (
        ("Task04_Hippocampus", 0.05, 7),
        ("Task04_Hippocampus", 0.1, 15),
        ("Task04_Hippocampus", 0.2, 31),
        ("ACDC", 0.03, 1),
        ("ACDC", 0.06, 2),
        ("ACDC", 0.21, 8),
    ):
        split = converted.split_of(read_dataset(data_root / name), 0)
        assert max(1, int(fraction * len(split.train) + 1e-9)) == count
        assert published(name, count, "supervised")
