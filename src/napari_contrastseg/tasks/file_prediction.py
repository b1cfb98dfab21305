"""Predict files and write masks, case by case; one that fails stops no other."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.choice import EVERYTHING
from napari_contrastseg.io.dataset import read_dataset, read_image
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_file, need_folder, refuse_existing
from napari_contrastseg.io.formats import ending_of, is_image, mask_ending
from napari_contrastseg.io.images import (
    as_chosen,
    need_real_values,
    refuse_image_itself,
    write_map,
    write_mask,
)
from napari_contrastseg.io.inputs import check_channel_files, find_inputs
from napari_contrastseg.io.intensities import fill_note
from napari_contrastseg.io.json import read_json, write_json
from napari_contrastseg.tasks.events import Note, Progress
from napari_contrastseg.tasks.failed_cases import FailedCases, in_one_line
from napari_contrastseg.tasks.named_files import naming_files
from napari_contrastseg.tasks.predict import Predicted, PredictRequest, predict

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from napari_contrastseg.io.choice import Choice
    from napari_contrastseg.io.dataset import Dataset
    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.models.predict import Prediction

#: File beside masks that says what their values are.
NAMES = "predictions.json"


@dataclass(frozen=True)
class FilePrediction:
    """A prediction of files, as the command line asks for it.

    Attributes
    ----------
    cases : str
        ``test``, ``all``, or ids with commas between.
    choice : Choice
        What is read of each file that holds several images, or tilted slices.
    """

    model: Path
    source: Path
    out: Path
    cases: str | None = None
    confidence: bool = False
    device: str = "auto"
    overwrite: bool = False
    choice: Choice = EVERYTHING


@dataclass(frozen=True)
class CaseFiles:
    """A case to predict: its images, and what is written of it.

    Attributes
    ----------
    confidence : Path or None
        Of the map of confidence, where one is wanted.
    """

    case: str
    images: tuple[Path, ...]
    mask: Path
    confidence: Path | None

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The files that are written."""
        both = (self.mask, self.confidence)
        return tuple(path for path in both if path is not None)


def predict_files(
    request: FilePrediction,
) -> Generator[Note | Progress | dict[str, Any], None, None]:
    """Predict images and write masks; the last event is the JSON report.

    A case that fails is named in the report's ``failed``; the others go on.

    Raises
    ------
    InputError
        Model or input cannot be used, an output exists, or cannot be written.
    """
    from napari_contrastseg.learning.models.model import load_model  # noqa: PLC0415
    from napari_contrastseg.learning.runtime.device import pick_device  # noqa: PLC0415

    model = load_model(request.model)
    cases, dataset = cases_to_predict(request, model)
    refuse_outputs(request, cases, model)
    pick_device(request.device)  # refused once, not for each case
    forget_other_names(request, model)
    written, failed = [], FailedCases(len(cases))
    start, before, input_mb = time.perf_counter(), peak_mb(), 0.0
    for done, case in enumerate(cases):
        try:
            volume, notes = read_case(request, model, dataset, case)
            input_mb = max(input_mb, sum(c.nbytes for c in volume.data) / 2**20)
            yield from notes
            prediction = None
            for event in _predicted(request, model, volume):
                if isinstance(event, Predicted):
                    prediction = event.prediction
                else:
                    yield Progress("predict", (done + event.fraction) / len(cases))
        except Exception as error:  # noqa: BLE001  the others go on
            yield failed.add(case.case, in_one_line(error))
            continue
        assert prediction is not None
        write_case(case, prediction, volume)
        written.append(case)
    if written:
        write_classes(request, model)
    yield {
        "cases": [case.case for case in written],
        "files": [str(path) for case in written for path in case.outputs],
        "failed": failed.why,
        "seconds": round(time.perf_counter() - start, 2),
        "peak_mb": round(max(0.0, peak_mb() - before - input_mb), 1),
    }


def cases_to_predict(
    request: FilePrediction, model: Model
) -> tuple[list[CaseFiles], Dataset | None]:
    """List the cases to predict, and the data set that they are of, if any.

    Raises
    ------
    InputError
        A case that is asked for is not there, or not complete.
    """
    inputs, dataset = _inputs(request, model)
    cases = []
    for case, files in inputs.items():
        ending = mask_ending(files[0])
        mask = request.out / f"{case}{ending}"
        confidence = request.out / f"{case}_confidence{ending or '.tif'}"
        wanted = confidence if request.confidence else None
        cases.append(CaseFiles(case, files, mask, wanted))
    return cases, dataset


def refuse_outputs(
    request: FilePrediction, cases: Sequence[CaseFiles], model: Model
) -> None:
    """Refuse outputs that exist or cannot be written, or would be misread.

    Raises
    ------
    InputError
    """
    _refuse_folder_of_input(request, cases)
    _refuse_other_classes(request, cases, model)
    for case in cases:
        for path in case.outputs:
            refuse_image_itself(path, case.images)
            refuse_existing(path, overwrite=request.overwrite)
        if case.confidence is not None:
            need_real_values(case.confidence, "; leave --confidence out")
    need_folder(request.out)


def _refuse_folder_of_input(
    request: FilePrediction, cases: Sequence[CaseFiles]
) -> None:
    """Keep masks out of the folders that INPUT is read from, where it is a folder.

    The next to read the folder would take the masks for images, and those in labelsTr
    for a person's labels.
    """
    if not request.source.is_dir():
        return
    images = {image for case in cases for image in case.images}
    taken = {image if image.is_dir() else image.parent for image in images}
    if request.source not in images:
        taken |= {image.parent for image in images}
    if (request.source / "dataset.json").is_file():
        taken.add(request.source / "labelsTr")
    out = request.out.resolve()
    if out in {folder.resolve() for folder in taken}:
        raise InputError(
            f"{request.out}: holds the images or labels of {request.source}, which "
            "masks would be mistaken for; choose another folder for the output."
        )


def _refuse_other_classes(
    request: FilePrediction, cases: Sequence[CaseFiles], model: Model
) -> None:
    """Keep masks apart whose numbers mean other classes: one file names them all."""
    about = request.out / NAMES
    if not about.is_file() or read_json(about) == _names(model):
        return
    outputs = {path for case in cases for path in case.outputs}
    others = (path for path in sorted(request.out.iterdir()) if ending_of(path))
    left = next((path for path in others if path not in outputs), None)
    if left is not None:
        raise InputError(
            f"{about}: names the classes of another model, whose masks are there "
            f"({left.name}); choose another folder for the output."
        )


def predict_into(
    request: FilePrediction, model: Model, case: CaseFiles, volume: Volume
) -> None:
    """Predict a case that is read, and write its files.

    Raises
    ------
    InputError
        It does not fit the model, or cannot be written.
    """
    for event in _predicted(request, model, volume):
        if isinstance(event, Predicted):
            write_case(case, event.prediction, volume)


def _predicted(
    request: FilePrediction, model: Model, volume: Volume
) -> Generator[Progress | Predicted, None, None]:
    """Predict a volume."""
    with naming_files([volume]):
        for event in predict(PredictRequest(model, (volume,), request.device)):
            if isinstance(event, Progress | Predicted):
                yield event


def read_case(
    request: FilePrediction, model: Model, dataset: Dataset | None, case: CaseFiles
) -> tuple[Volume, list[Note]]:
    """Read a case as the model is to see it, with what should be known of it.

    Raises
    ------
    InputError
        Its images cannot be read.
    """
    volume, assumed = _read(request, model, dataset, case.case, case.images)
    notes = (assumed, fill_note(volume, volume.axis))
    return volume, [Note(note) for note in notes if note is not None]


def write_case(case: CaseFiles, prediction: Prediction, volume: Volume) -> None:
    """Write what was predicted of a case.

    Raises
    ------
    InputError
        It cannot be written.
    """
    write_mask(case.mask, prediction.labels, volume)
    if case.confidence is not None:
        write_map(case.confidence, prediction.confidence, volume)


def write_classes(request: FilePrediction, model: Model) -> None:
    """Write the classes' names beside the masks."""
    write_json(request.out / NAMES, _names(model))


def forget_other_names(request: FilePrediction, model: Model) -> None:
    """Delete what names other classes, before the first of its masks is replaced."""
    about = request.out / NAMES
    if about.is_file() and read_json(about) != _names(model):
        about.unlink()


def _names(model: Model) -> dict[str, dict[str, str]]:
    return {"classes": {str(c.id): c.name for c in model.card.classes}}


def _read(
    request: FilePrediction,
    model: Model,
    dataset: Dataset | None,
    case: str,
    files: tuple[Path, ...],
) -> tuple[Volume, str | None]:
    """Read a case as the model is to see it; say what was assumed of it."""
    from napari_contrastseg.learning.models.voxel_size import sized  # noqa: PLC0415

    if dataset is None:
        volume = read_image(files, case, request.choice)
    else:
        volume = model.in_order(dataset.read(dataset.case(case)))
        volume = as_chosen(volume, request.choice)
    volume, assumed = sized(model.card, volume)
    if assumed is not None:
        assumed += ", so give --voxel-size if it has another."
    return model.card.input.slices.on(volume), assumed


def _inputs(
    request: FilePrediction, model: Model
) -> tuple[dict[str, tuple[Path, ...]], Dataset | None]:
    """List the cases to predict, and the data set that they are of, if any."""
    source, dataset = request.source, None
    if (source / "dataset.json").is_file():
        dataset = read_dataset(source)
        found = {case.id: case.images for case in dataset.cases}
    else:
        as_one = request.choice.as_one and is_image(source, as_one=True)
        channels = len(model.card.input.channels)
        found = find_inputs(source, channels, as_one=as_one)
    chosen = {name: found[name] for name in _wanted(request, model, found)}
    if dataset is not None:
        dataset.check_channels(chosen)
    elif any(len(files) > 1 for files in found.values()):
        check_channel_files(chosen, len(model.card.input.channels))
    for files in chosen.values():
        for file in files:
            if not file.is_dir():
                need_file(file)
    return chosen, dataset


def _wanted(
    request: FilePrediction, model: Model, found: Mapping[str, tuple[Path, ...]]
) -> list[str]:
    """List the cases that are asked for."""
    wanted = "all" if request.cases is None else request.cases
    if wanted == "all":
        return list(found)
    if wanted == "test":
        names: list[str] = model.card.training.get("test_cases", [])
        if not names:
            raise InputError(
                f"{request.model}: was trained without --fold and has no test cases; "
                "use --cases all or name them."
            )
    else:
        names = [name.strip() for name in wanted.split(",") if name.strip()]
        if not names:
            raise InputError("--cases: names no case; give test, all or ID,ID,...")
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(
            f"{request.source}: has no case {missing[0]!r} (--cases); it has "
            f"{', '.join(list(found)[:3])}, ..."
        )
    return names


def peak_mb() -> float:
    """Return the process's peak resident memory so far, MB."""
    try:
        import resource  # noqa: PLC0415  there is none on Windows
    except ImportError:  # Windows keeps no such record
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
