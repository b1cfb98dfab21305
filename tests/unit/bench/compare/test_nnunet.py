"""nnU-Net as a peer: lengths, labels, what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.bench.compare import nnunet
from napari_contrastseg.bench.compare.peers import learn_to_the_end
from napari_contrastseg.io.dataset import (
    LabelledVolume,
    read_dataset,
    read_image,
    read_truth,
    write_dataset,
)
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_volume, write_mask
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.models.card import ModelClass
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks.requests import TrainRequest

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (8, 24, 24)


def test_nnunet_takes_the_nearest_length() -> None:
    assert nnunet.trainer_for(Budget(600)) == (5, "nnUNetTrainer_5epochs")
    assert nnunet.trainer_for(Budget(250)) == (1, "nnUNetTrainer_1epoch")
    assert nnunet.trainer_for(Budget()) == (1000, "nnUNetTrainer")
    with pytest.raises(InputError, match="--steps"):
        nnunet.trainer_for(Budget(minutes=1))


@pytest.mark.parametrize("stored", [False, True])
def test_nnunet_gets_our_labels_and_gives_them_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stored: bool
) -> None:
    """With its programs replaced by one that knows the truth."""
    sample = phantom(0, SHAPE)
    volume = sample.volume
    if stored:
        entry = LabelledVolume(volume, sample.truth.astype(np.int16))
        write_dataset(tmp_path, [entry], {1: "core", 2: "shell"})
        volume = read_image([tmp_path / "imagesTr" / f"{volume.id}_0000.nii.gz"], "v")
    seen: dict[str, Any] = {}

    def fake(root: Path, program: str, *words: str) -> None:
        if program == "nnUNetv2_train":
            raw = read_dataset(root / "nnUNet_raw" / nnunet.NAME)
            (case,) = raw.cases
            image = read_image(case.images, case.id)
            seen.update(ignore=raw.ignore, truth=read_truth(raw, case, image))
        if program == "nnUNetv2_predict":
            images, masks = (tmp_path / words[i] for i in (1, 3))
            for path in images.iterdir():
                image = read_volume(path)
                bright = np.asarray(image.data[0]) > 100
                target = masks / path.name.replace("_0000", "")
                write_mask(target, np.where(bright, 2, 1), image)

    monkeypatch.setattr(nnunet, "_run", fake)
    monkeypatch.setattr(nnunet, "check", lambda _: None)
    target = np.full(SHAPE, -1, np.int16)
    target[3] = np.where(sample.truth[3] == 2, 9, sample.truth[3])
    request = TrainRequest(
        (TrainingVolume(volume, target), TrainingVolume(phantom(1, SHAPE).volume)),
        (ModelClass(1, "core"), ModelClass(9, "shell")), "nnunet",
        budget=Budget(100),
    )  # fmt: skip
    learned, stages = learn_to_the_end(request)
    assert stages[0].steps == nnunet.STEPS_PER_EPOCH
    assert seen["ignore"] == 3
    assert np.array_equal(seen["truth"], np.where(target == 9, 2, target))
    ((_, found),) = learned.predict([volume])
    bright = np.asarray(volume.data[0]) > 100
    assert np.array_equal(found.labels, np.where(bright, 9, 1))


def test_nnunet_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="CUDA GPU"):
        nnunet.check("cpu")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="program nnUNetv2_nothing is missing"):
        nnunet._run(tmp_path, "nnUNetv2_nothing")
