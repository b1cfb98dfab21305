"""A case of a prediction on a worker: from its files to those of its mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.dataset import Case, Dataset
from napari_contrastseg.learning.models.model import load_model
from napari_contrastseg.tasks.cluster.parcel import as_if_in, content_of
from napari_contrastseg.tasks.dataset import CaseFiles, FilePrediction, predict_case
from napari_contrastseg.tasks.events import Note

if TYPE_CHECKING:
    from napari_contrastseg.io.choice import Choice
    from napari_contrastseg.tasks.cluster.parcel import Parcel


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
    """

    case: str
    images: tuple[str, ...]
    mask: str
    confidence: str | None
    out: str
    device: str
    choice: Choice
    dataset: Dataset | None


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
    request: FilePrediction, case: CaseFiles, dataset: Dataset | None, root: Path
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
    )


def predict_there(model: Parcel, images: Parcel, task: CaseTask) -> Answer:
    """Predict a case on a worker.

    Raises
    ------
    NotSharedError
        The files were not sent, and are not here.
    InputError
        As `predict_case`.
    """
    from distributed import get_worker  # noqa: PLC0415

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
        events = list(predict_case(request, loaded, dataset, case))
        notes = [event.text for event in events if isinstance(event, Note)]
        said = tuple(note.replace(str(root), images.root) for note in notes)
        return Answer(content_of(out), said, get_worker().address)
