"""Export a data set: images and labels in nnU-Net's raw layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
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
    yield from _write(session, root)


def export_dataset(session: Session, out: Path, *, overwrite: bool) -> dict[str, Any]:
    """Write a session as a data set into a folder of its own.

    Raises
    ------
    InputError
        The session is empty or lacks an image, or the output exists.
    """
    refuse_existing(out, overwrite=overwrite)
    lacking = missing(session)
    if lacking is not None:
        first = lacking[:1].lower() + lacking[1:]
        raise InputError(f"A data set cannot be written yet: {first}.")
    written = _write(session, out)
    return {
        "cases": list(session.all_records),
        "classes": [c.name for c in session.classes],
        "files": [str(path) for path in written],
    }


def _write(session: Session, root: Path) -> list[Path]:
    need_images(record.volume for record in session.all_records.values())
    entries = [LabelledVolume(r.volume, r.truth) for r in session.all_records.values()]
    return write_dataset(root, entries, {c.id: c.name for c in session.classes})


EXPORT = Export(
    name="dataset",
    title="Data set",
    summary="Images and labels as nnU-Net reads them, unlabelled voxels as ignore",
    options=DatasetOptions(),
    missing=missing,
    run=run,
)
