"""nnU-Net v2, its 2-D configuration, on the same labels.

What nobody labelled is its ``ignore`` label; it learns from labelled cases alone. It is
not seeded, and needs CUDA and the package ``nnunetv2`` (Apache-2.0, version 2.5).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import file_names, read_labels, write_map
from napari_contrastseg.learning.data.targets import check_labels
from napari_contrastseg.tasks.events import Progress, StageReport

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.predict import Prediction
    from napari_contrastseg.learning.plan.stage import Budget
    from napari_contrastseg.tasks.requests import TrainRequest

#: Steps of one of its epochs, and the lengths that it has trainers for.
STEPS_PER_EPOCH: Final = 250
TRAINERS: Final = {
    1: "nnUNetTrainer_1epoch",
    **{n: f"nnUNetTrainer_{n}epochs" for n in (5, 10, 20, 50, 100, 250)},
    1000: "nnUNetTrainer",
}
NUMBER, NAME = "1", "Dataset001_bench"
#: Answers for the few questions it asks: go on.
_GO_ON = "\n" * 4


def check(device: str) -> None:
    """See that nnU-Net is here, and a GPU for it.

    Raises
    ------
    InputError
        One of them is missing.
    """
    import torch

    if device == "cpu" or not torch.cuda.is_available():
        raise InputError(
            "nnunet is trained on a CUDA GPU; leave it out of the recipes, or use a "
            "machine that has one."
        )
    if importlib.util.find_spec("nnunetv2") is None:
        raise InputError(
            "nnunet needs nnU-Net; install it with: pip install "
            "'napari-contrastseg[nnunet]'."
        )


def settings() -> dict[str, Any]:
    """Give what decides a run."""
    return {"configuration": "2d", "steps_per_epoch": STEPS_PER_EPOCH}


def trainer_for(budget: Budget) -> tuple[int, str]:
    """Find the shortest trainer that has the steps asked for; its epochs, its name.

    Raises
    ------
    InputError
        Minutes are asked for.
    """
    if budget.minutes is not None:
        raise InputError("nnunet counts steps; give --steps instead of --minutes.")
    longest = max(TRAINERS)
    wanted = (budget.steps or longest * STEPS_PER_EPOCH) / STEPS_PER_EPOCH
    epochs = min((n for n in TRAINERS if n >= wanted), default=longest)
    return epochs, TRAINERS[epochs]


def learn(
    request: TrainRequest,
) -> Generator[Progress | StageReport, None, NnUNet]:
    """Export, plan, preprocess and train in a temporary folder.

    Raises
    ------
    InputError
        Something is missing, or nnU-Net failed.
    """
    check(request.device)
    check_labels(request.volumes)
    epochs, trainer = trainer_for(request.budget)
    start = time.perf_counter()
    folder = Folder()
    root = folder.path
    entries = [
        LabelledVolume(entry.volume, entry.target.astype(np.int16))
        for entry in request.volumes
        if entry.target is not None and (entry.target >= 0).any()
    ]
    classes = {entry.id: entry.name for entry in request.classes}
    write_dataset(root / "nnUNet_raw" / NAME, entries, classes)
    yield Progress("plan", 0.05)
    _run(root, "nnUNetv2_plan_and_preprocess", "-d", NUMBER, "-c", "2d")
    yield Progress("train", 0.1)
    words = (NUMBER, "2d", "all", "-tr", trainer, "-device", "cuda")
    _run(root, "nnUNetv2_train", *words)
    steps = epochs * STEPS_PER_EPOCH
    yield StageReport("nnU-Net", steps, time.perf_counter() - start, ())
    return NnUNet(folder, trainer, (0, *sorted(classes)))


class Folder:
    """A temporary folder that goes when nobody holds it any more."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="contrastseg-nnunet-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def _run(root: Path, program: str, *words: str) -> None:
    """Run one of nnU-Net's programs with its folders below `root`."""
    beside = Path(sys.executable).parent
    path = f"{beside}{os.pathsep}{os.environ.get('PATH', '')}"
    found = shutil.which(program, path=path)
    if found is None:
        raise InputError(f"nnunet: the program {program} is missing; install it again.")
    folders = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
    places = {name: str(root / name) for name in folders}
    done = subprocess.run(
        [found, *words],
        check=False,
        capture_output=True,
        text=True,
        input=_GO_ON,
        env=os.environ | places,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"nnunet: {program} failed: {last}")


@dataclass(frozen=True, eq=False)
class NnUNet:
    """A trained nnU-Net in its temporary folder.

    Attributes
    ----------
    class_ids : tuple of int
        Of its outputs.
    """

    folder: Folder
    trainer: str
    class_ids: tuple[int, ...]

    def predict(self, volumes: Iterable[Volume]) -> Iterator[tuple[Volume, Prediction]]:
        """Predict all volumes in one go; it gives no confidence, so that is 1."""
        from napari_contrastseg.learning.models.predict import Prediction  # noqa: PLC0415

        wanted = list(volumes)
        root = self.folder.path
        lut = np.asarray(self.class_ids, np.uint8)
        with tempfile.TemporaryDirectory(dir=root) as place:
            images, masks = Path(place) / "images", Path(place) / "masks"
            names = file_names(volume.id for volume in wanted)
            for volume in wanted:
                for index, channel in enumerate(volume.data):
                    path = images / f"{names[volume.id]}_{index:04d}.nii.gz"
                    write_map(path, np.asarray(channel), volume)
            words = ("-i", str(images), "-o", str(masks), "-d", NUMBER, "-c", "2d")
            more = ("-f", "all", "-tr", self.trainer, "-device", "cuda")
            _run(root, "nnUNetv2_predict", *words, *more)
            for volume in wanted:
                found = read_labels(masks / f"{names[volume.id]}.nii.gz").data[0]
                labels = lut[np.asarray(found)]
                yield volume, Prediction(labels, np.ones(volume.shape, np.float16))
