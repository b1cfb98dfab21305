"""A case of a prediction on a worker: from its files to those of its mask.

::

    predict_there --> Answer, or of a large case Parts
    predict_part_there, one for each part, on any worker --> join_there --> Answer
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.dataset import Case, Dataset
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.learning.models.model import load_model
from napari_contrastseg.learning.models.predict import (
    Prediction,
    is_of_one_network,
)
from napari_contrastseg.tasks.cluster.parcel import as_if_in, content_of
from napari_contrastseg.tasks.file_prediction import (
    CaseFiles,
    FilePrediction,
    predict_into,
    read_case,
    write_case,
)
from napari_contrastseg.tasks.named_files import naming_files
from napari_contrastseg.tasks.predict import (
    PredictedSlices,
    PredictRequest,
    predict_slices,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.io.choice import Choice
    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.tasks.cluster.parcel import Parcel
    from napari_contrastseg.tasks.events import Note

#: Voxels that a part of a case has at least.
PART_VOXELS: Final = 2**25


@dataclass(frozen=True)
class CaseTask:
    """A case to predict, with names in place of paths: systems differ in those.

    Attributes
    ----------
    images : tuple of str
        Within the parcel that holds them.
    mask, confidence, out : str
        Names of the outputs, and the folder into which the asker writes them.
    dataset : Dataset or None
        Without its cases and its place.
    parts : int
        In how many parts its slices may be predicted.
    """

    case: str
    images: tuple[str, ...]
    mask: str
    confidence: str | None
    out: str
    device: str
    choice: Choice
    dataset: Dataset | None
    parts: int = 1


@dataclass(frozen=True)
class Parts:
    """A case is large: its slices are better predicted in so many parts."""

    count: int


@dataclass(frozen=True, eq=False)
class Part:
    """What is said of some slices of a case.

    Attributes
    ----------
    confidence : (n, rows, columns) float16 or None
        None where no map of it is wanted.
    """

    axis: int
    slices: NDArray[np.intp]
    labels: NDArray[np.uint8]
    confidence: NDArray[np.float16] | None


@dataclass(frozen=True)
class Answer:
    """What a worker made of a case.

    Attributes
    ----------
    files : dict of str to bytes
        To be written, by their names below the output folder.
    worker : str
    """

    files: dict[str, bytes]
    notes: tuple[str, ...]
    worker: str


def task_for(
    request: FilePrediction,
    case: CaseFiles,
    dataset: Dataset | None,
    root: Path,
    parts: int,
) -> CaseTask:
    """Describe a case whose images are sent as files below `root`."""
    if dataset is not None:
        nowhere: Any = PurePosixPath()
        dataset = replace(dataset, root=nowhere, cases=())
    return CaseTask(
        case.case,
        tuple(file.relative_to(root).as_posix() for file in case.images),
        case.mask.name,
        None if case.confidence is None else case.confidence.name,
        str(request.out),
        request.device,
        request.choice,
        dataset,
        parts,
    )


def predict_there(model: Parcel, images: Parcel, task: CaseTask) -> Answer | Parts:
    """Predict a case on a worker, unless it is large and may have parts.

    Raises
    ------
    NotSharedError
        The files were not sent, and are not here.
    InputError
        As `read_case` and `predict_into`.
    """
    with _opened(model, images, task) as here:
        volume, notes = here.read()
        if (count := here.parts(volume, task.parts)) > 1:
            return Parts(count)
        predict_into(here.request, here.model, here.case, volume)
        return here.answer(notes)


def predict_part_there(
    model: Parcel, images: Parcel, task: CaseTask, part: tuple[int, int]
) -> list[Part]:
    """Predict some slices of a case on a worker.

    Raises
    ------
    NotSharedError, InputError
        As `predict_there`.
    """
    with _opened(model, images, task) as here:
        volume, _ = here.read()
        asked = PredictRequest(here.model, (volume,), task.device)
        with naming_files([volume]):
            return [
                Part(
                    event.axis,
                    event.slices,
                    event.labels,
                    None if task.confidence is None else event.confidence,
                )
                for event in predict_slices(asked, part)
                if isinstance(event, PredictedSlices)
            ]


def join_there(
    model: Parcel, images: Parcel, task: CaseTask, parts: list[list[Part]]
) -> Answer:
    """Put the parts of a case together on a worker, and write its files.

    Raises
    ------
    NotSharedError, InputError
        As `predict_there`.
    """
    with _opened(model, images, task) as here:
        volume, notes = here.read()
        labels = zeros(volume.shape, np.uint8)
        sure = zeros(volume.shape, np.float16)
        for one in (one for part in parts for one in part):
            np.moveaxis(labels, one.axis, 0)[one.slices] = one.labels
            if one.confidence is not None:
                np.moveaxis(sure, one.axis, 0)[one.slices] = one.confidence
        write_case(here.case, Prediction(labels, sure), volume)
        return here.answer(notes)


@contextmanager
def _opened(model: Parcel, images: Parcel, task: CaseTask) -> Iterator[_Here]:
    """Give a case with its files on this worker, and a folder for what is written."""
    with (
        model.opened() as model_folder,
        images.opened() as root,
        TemporaryDirectory(prefix="contrastseg-", ignore_cleanup_errors=True) as folder,
        as_if_in(task.out, folder),
    ):
        out = Path(folder)
        files = tuple(root / name for name in task.images)
        dataset = task.dataset
        if dataset is not None:
            own = Case(task.case, files, None)
            dataset = replace(dataset, root=root, cases=(own,))
        confidence = None if task.confidence is None else out / task.confidence
        case = CaseFiles(task.case, files, out / task.mask, confidence)
        request = FilePrediction(
            model_folder, root, out, device=task.device, choice=task.choice
        )
        loaded = load_model(model_folder)
        yield _Here(request, loaded, dataset, case, images.root)


@dataclass(frozen=True, eq=False)
class _Here:
    """A case on this worker.

    Attributes
    ----------
    shown_root : str
        Where the asker has the images.
    """

    request: FilePrediction
    model: Model
    dataset: Dataset | None
    case: CaseFiles
    shown_root: str

    def read(self) -> tuple[Volume, list[Note]]:
        """Read the images."""
        return read_case(self.request, self.model, self.dataset, self.case)

    def parts(self, volume: Volume, most: int) -> int:
        """Say in how many parts the slices are predicted: 1 for a small case."""
        if not is_of_one_network(self.model, volume):
            return 1
        slices = volume.shape[volume.axis_of(self.model.card.input.axis)]
        return max(1, min(most, slices, math.prod(volume.shape) // PART_VOXELS))

    def answer(self, notes: list[Note]) -> Answer:
        """Give the files that were written."""
        from distributed import get_worker  # noqa: PLC0415

        root = str(self.request.source)
        said = tuple(note.text.replace(root, self.shown_root) for note in notes)
        return Answer(content_of(self.request.out), said, get_worker().address)
