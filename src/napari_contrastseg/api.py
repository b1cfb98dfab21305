"""Python API: label, propose, train, accept, score and export without a window.

``import napari_contrastseg as cs`` has all of these names; they are read on first use.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex, cast

import numpy as np

from napari_contrastseg.api_inputs import (
    array_of,
    budget_of,
    check_device,
    check_seed,
    class_names,
    images_of,
    labels_of,
    slices_of,
)
from napari_contrastseg.evaluation.scores import Scores
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.io.slice_axis import SliceAxis
from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.recipes import DEFAULT, recipe_named, settings_of
from napari_contrastseg.session import mask_ink, review
from napari_contrastseg.session.freeze import FrozenVolumes, frozen_classes
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.load import open_folder
from napari_contrastseg.session.storage.snapshot import save_session as _save
from napari_contrastseg.session.volume_record import mask_of
from napari_contrastseg.tasks.derive import derive_missing
from napari_contrastseg.tasks.exports import Output, export_named, options_of
from napari_contrastseg.tasks.failed_cases import refuse_failed
from napari_contrastseg.tasks.file_prediction import FilePrediction, predict_files
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.round_in_session import round_in_session, take_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_contrastseg.session.rounds import Round
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.tasks.round import RoundEvent

__all__ = [
    "InputError",
    "Session",
    "Volume",
    "accept",
    "export",
    "image",
    "label",
    "mask",
    "new_session",
    "open_session",
    "predict",
    "propose",
    "save_session",
    "score",
    "train",
]

_UNKNOWN = -1


def image(
    source: Path | str | ArrayLike,
    *,
    name: str | None = None,
    spacing: Sequence[float] | None = None,
) -> Volume:
    """Read an image file, or wrap an array.

    >>> image(np.zeros((8, 64, 64)), name="scan", spacing=(3, 1, 1)).shape
    (8, 64, 64)

    Parameters
    ----------
    source : path, or (z, y, x) array
    name : str, optional
        By which sessions know it; the file's stem by default, ``image`` of an array.
    spacing : (3,) float, optional
        Of an array: voxel size in mm, (z, y, x). Without it sizes are unknown, and
        the voxels count as cubes.

    Returns
    -------
    Volume
        In canonical order (z, y, x).

    Raises
    ------
    InputError
        The file cannot be read, or the array has not three dimensions of real numbers.
    """
    if not isinstance(name, str | None):
        raise InputError(f"name is {name!r}; give a text.")
    if isinstance(source, str | Path):
        if spacing is not None:
            raise InputError("A file states its own voxel size; give no spacing.")
        return read_volume(Path(source), name=name)
    sizes = np.ones(3) if spacing is None else array_of(spacing, "spacing")
    if sizes.shape != (3,) or not (np.isfinite(sizes) & (sizes > 0)).all():
        raise InputError(f"spacing is {spacing}; give three sizes above 0, in mm.")
    found = array_of(source, name or "image")
    return Volume(name or "image", (found,), array_affine(sizes.astype(float)))


def new_session(
    images: Iterable[Volume | Path | str] | Volume | Path | str = (),
    classes: Iterable[str] | str = (),
    *,
    axis: SupportsIndex | None = None,
) -> Session:
    """Begin a session.

    Parameters
    ----------
    images : volumes, or paths of files, or one of these
    classes : names, or one
        They get the numbers 1, 2, ...
    axis : {0, 1, 2}, optional
        Slice axis, of each file's own array; each volume's coarsest by default.

    Raises
    ------
    InputError
        An image cannot be read, two have one name, or their channels differ.
    """
    if axis is not None and (isinstance(axis, bool) or axis not in (0, 1, 2)):
        raise InputError(f"axis is {axis}; choose 0, 1 or 2.")
    session = Session() if axis is None else Session(SliceAxis("file", int(axis)))
    for given in images_of(images):
        session.add_volume(given if isinstance(given, Volume) else image(given))
    for name in class_names(classes):
        session.add_class(name)
    return session


def open_session(folder: Path | str) -> Session:
    """Read a session folder, which stays as it is; `save_session` writes.

    What is missing or damaged in it is said by a warning each.

    Raises
    ------
    InputError
        It is not a session, was written by a newer version, or is damaged.
    """
    opened = open_folder(Path(folder))
    for note in opened.notes:
        warnings.warn(note, stacklevel=2)
    return opened.session


def save_session(session: Session, folder: Path | str) -> None:
    """Write a session with everything in it.

    Raises
    ------
    InputError
        The folder holds something else, is open in a window, or cannot be written.
    """
    _save(session, Path(folder))


def label(
    session: Session,
    name: str,
    labels: Path | str | ArrayLike,
    slices: Sequence[SupportsIndex] | None = None,
) -> None:
    """Label slices of an image in full, as one step of the undo history.

    Parameters
    ----------
    name : str
        Of the image.
    labels : path of a mask, or array of the image's shape
        Class numbers, 0 for background, -1 where unknown. A slice of which every
        voxel is known becomes done, another sparse. With one class, and no other
        label, 255 is this class.
    slices : sequence of int, optional
        Which slices along the image's slice axis; all by default.

    Raises
    ------
    InputError
        Another shape, a number that is no class, or a slice that is not there.
    """
    record = _record(session, name)
    found = labels_of(labels, session, name)
    if slices is not None:
        only = np.full(found.shape, _UNKNOWN, np.int64)
        for index in _slices(session, name, slices):
            key = record.window(index)
            only[key] = found[key]
        found = only
    mask_ink.take_ink(session, name, found, done="all")


def propose(session: Session) -> None:
    """Interpolate between labelled slices, wherever a volume has enough of them.

    `mask` gives what is proposed. Volumes of which a round has predicted keep its
    answer, joined with this.
    """
    derive_missing(session)


def train(
    session: Session,
    recipe: str = DEFAULT,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    preset: str = "sound",
    settings: dict[str, Any] | None = None,
    device: str = "auto",
    seed: int | None = None,
    report: Callable[[RoundEvent], object] | None = None,
) -> str | None:
    """Run a round: train on what is labelled, predict all volumes, propose.

    Parameters
    ----------
    recipe : str
        A name, or ``NAME+SETTING=VALUE``.
    minutes, steps : number, optional
        Length, prediction included, or of each stage: one of them. The recipe's own
        by default.
    preset : {"sound", "literal"}
    settings : dict, optional
        Settings of the recipe in place of the preset's.
    device : {"auto", "cpu", "cuda"}
    seed : int, optional
        The number of rounds before this one by default, as in the window.
    report : callable, optional
        Called with every event: progress, notes, stages.

    Returns
    -------
    str or None
        Why the round before it stays shown, where this one fits the labels worse.

    Raises
    ------
    InputError
        Nothing is labelled, there is no such recipe, or it cannot be trained.
    """
    seed = len(session.rounds) if seed is None else seed
    check_seed(seed)
    check_device(device)
    chosen = None
    if settings:
        typed = {setting: _typed(value) for setting, value in settings.items()}
        chosen = settings_of(recipe_named(recipe), preset, typed)
    request = TrainRequest(
        volumes=FrozenVolumes(session),
        classes=frozen_classes(session),
        slices=session.slices,
        recipe=recipe,
        preset=preset,
        settings=chosen,
        budget=budget_of(steps, minutes),
        device=device,
        seed=int(seed),
        start=session.rounds.weights,
        proposes=True,
    )
    events = round_in_session(session, request)
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            worse = take_up(session, cast("Round", end.value))
            return None if worse is None else str(worse)
        if report is not None:
            report(event)


def accept(session: Session, name: str, slices: Sequence[SupportsIndex]) -> int:
    """Accept what is proposed on slices; they become done. Returns how many voxels.

    All of them, as one step of the undo history, or none.

    Raises
    ------
    InputError
        Nothing is proposed on a slice, or it is done or locked.
    """
    numbers = _slices(session, name, slices)
    with session.action("accept slices"):
        return sum(review.accept_slice(session, name, i).voxels for i in numbers)


def mask(session: Session, name: str, *, complete: bool = True) -> NDArray[np.uint8]:
    """Give the class of every voxel, 0 for background.

    Parameters
    ----------
    complete : bool
        Whether proposals fill in what nobody labelled.

    Returns
    -------
    (z, y, x) uint8, in the image's order
    """
    return mask_of(_record(session, name), complete=complete)


def score(
    session: Session, name: str, truth: Path | str | ArrayLike
) -> dict[str, float]:
    """Give the Dice of each class of `mask`, voxels with truth -1 left out.

    Raises
    ------
    InputError
        The truth has another shape than the image, or values that no class has.
    """
    found = mask(session, name)
    wanted = labels_of(truth, session, name)
    names = {c.id: c.name for c in session.classes}
    dice = Scores(names).add(found, wanted)
    return {names[class_id]: value for class_id, value in dice.items()}


def export(
    session: Session,
    what: str,
    folder: Path | str,
    *,
    overwrite: bool = False,
    **options: object,
) -> list[Path]:
    """Write a session as masks, a model, tables, ...: as ``contrastseg export``.

    Parameters
    ----------
    what : str
        ``contrastseg export --list`` lists them, with their options.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        There is no such export or option, something is missing, or a file is there.
    """
    chosen = export_named(what)
    values = options_of(chosen, {k: _typed(value) for k, value in options.items()})
    output = Output(Path(folder), overwrite)
    return list(chosen.write(session, values, output))


def predict(
    model: Path | str,
    source: Path | str,
    folder: Path | str,
    *,
    device: str = "auto",
    overwrite: bool = False,
) -> list[Path]:
    """Predict files with an exported or trained model, and write masks.

    Parameters
    ----------
    source : path
        An image, a folder of images, or a data set in nnU-Net's layout.

    Returns
    -------
    list of Path
        The masks.

    Raises
    ------
    InputError
        The model cannot be used, or a mask is there. Or an image cannot be used; the
        masks of the others are written then.
    """
    check_device(device)
    asked = FilePrediction(
        Path(model), Path(source), Path(folder), device=device, overwrite=overwrite
    )
    *_, last = predict_files(asked)
    report = cast("dict[str, Any]", last)
    refuse_failed(report["failed"], len(report["cases"]))
    return [Path(file) for file in report["files"]]


def _record(session: Session, name: str) -> VolumeRecord:
    if isinstance(name, str) and name in session.records:
        return session.records[name]
    known = ", ".join(session.records) or "none"
    raise InputError(f"There is no image {name!r}; there is {known}.")


def _slices(session: Session, name: str, slices: Sequence[SupportsIndex]) -> list[int]:
    count = len(_record(session, name).status)
    return slices_of(slices, name, count)


def _typed(value: object) -> str:
    """Write a value as it is typed after --set."""
    if value is None or isinstance(value, bool | dict | list | tuple):
        return json.dumps(value)
    return f"{value}"
