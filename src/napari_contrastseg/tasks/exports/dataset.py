"""Export a data set: images and labels in nnU-Net's raw layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from napari_contrastseg.io.dataset import LabelledVolume, replace_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import refuse_existing
from napari_contrastseg.io.images import file_stems
from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.session.storage.large_files import need_images
from napari_contrastseg.tasks.exports import Export, Output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_contrastseg.session.session import Session


@dataclass(frozen=True)
class DatasetOptions:
    """How a data set is written."""

    name: Annotated[
        str, Setting("The data set's folder; nnU-Net wants Dataset001_NAME.")
    ] = "dataset"


def missing(session: Session) -> str | None:
    """Say what there must be first."""
    if not session.all_records:
        return "Add a volume first"
    return None if session.classes else "Add a class first"


def run(session: Session, options: DatasetOptions, output: Output) -> Iterator[Path]:
    """Write the labels as a data set, unknown voxels as ``ignore``."""
    (root,) = output.claim(*file_stems([options.name]))
    written, _ = _write(session, root)
    yield from written


def export_dataset(session: Session, out: Path, *, overwrite: bool) -> dict[str, Any]:
    """Write a session as a data set into a folder of its own.

    The report's ``deleted`` lists files of an earlier export, of cases that are not in
    the session.

    Raises
    ------
    InputError
        The session is empty or lacks an image; the output exists, or is not of an
        earlier export where it may be replaced.
    """
    refuse_existing(out, overwrite=overwrite)
    lacking = missing(session)
    if lacking is not None:
        first = lacking[:1].lower() + lacking[1:]
        raise InputError(f"A data set cannot be written yet: {first}.")
    written, deleted = _write(session, out)
    return {
        "cases": list(session.all_records),
        "classes": [c.name for c in session.classes],
        "files": [str(path) for path in written],
        "deleted": [str(path) for path in deleted],
    }


def _write(session: Session, root: Path) -> tuple[list[Path], list[Path]]:
    """Write a data set; gives what was written, and what of an earlier one deleted."""
    need_images(record.volume for record in session.all_records.values())
    _keep_images(session, root)
    entries = [LabelledVolume(r.volume, r.truth) for r in session.all_records.values()]
    return replace_dataset(root, entries, {c.id: c.name for c in session.classes})


def _keep_images(session: Session, root: Path) -> None:
    """Refuse the folder that holds images of the session: none is replaced."""
    sources = [record.volume.source.path for record in session.all_records.values()]
    if session.cohort is not None:
        sources += [image for case in session.cohort.cases for image in case.images]
    for image in sources:
        if image is not None and image.resolve().is_relative_to(root.resolve()):
            raise InputError(
                f"{root}: holds images of the session ({image.name}); choose another "
                "folder for the data set."
            )


EXPORT = Export(
    name="dataset",
    title="Data set",
    summary="Images and labels as nnU-Net reads them, unlabelled voxels as ignore",
    options=DatasetOptions(),
    missing=missing,
    run=run,
)
