"""Exporting a saved session as a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import refuse_existing
from napari_contrastseg.session.storage.load import load_session

if TYPE_CHECKING:
    from pathlib import Path


def export_dataset(
    session_folder: Path, out: Path, *, overwrite: bool
) -> dict[str, Any]:
    """Write a session's truth in nnU-Net's raw layout, unknown voxels as ``ignore``.

    Raises
    ------
    InputError
        The session cannot be opened or is empty, or the output exists.
    """
    session = load_session(session_folder)
    refuse_existing(out, overwrite=overwrite)
    if not session.records or not session.classes:
        raise InputError(f"{session_folder}: holds no volumes or no classes yet.")
    entries = [LabelledVolume(r.volume, r.truth) for r in session.records.values()]
    written = write_dataset(out, entries, {c.id: c.name for c in session.classes})
    return {
        "cases": [entry.volume.id for entry in entries],
        "classes": [c.name for c in session.classes],
        "files": [str(path) for path in written],
    }
