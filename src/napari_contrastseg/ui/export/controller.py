"""Exporting from the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import refuse_existing
from napari_contrastseg.io.images import file_names, write_mask
from napari_contrastseg.io.plural import plural
from napari_contrastseg.session.volume_record import mask_of
from napari_contrastseg.ui.notify import notify_errors, notify_info

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.ui.export.panel import ExportSettings


def export_masks(session: Session, settings: ExportSettings) -> None:
    """Write one mask a volume."""
    with notify_errors():
        folder = _need_folder(settings)
        ids = list(session.records)
        wanted = ids + [f"{name}_origin" for name in ids if settings.origin]
        files = [folder / f"{stem}{settings.ending}" for stem in _stems(wanted)]
        paths = dict(zip(ids, files, strict=False))
        origins = dict(zip(ids, files[len(ids) :], strict=False))
        for path in (*paths.values(), *origins.values()):
            refuse_existing(path, overwrite=settings.overwrite)
        for name, record in session.records.items():
            mask = mask_of(record, complete=settings.complete)
            write_mask(paths[name], mask, record.volume)
            if name in origins:
                write_mask(origins[name], record.origin, record.volume)
        notify_info(f"{plural(len(paths), 'mask')} written to {folder}.")


def _stems(wanted: list[str]) -> list[str]:
    """Make file names, each different also where two volumes' names are alike."""
    found: list[str] = []
    for name in wanted:
        (stem,) = file_names([name]).values()
        free, count = stem, 2
        while free.lower() in (other.lower() for other in found):
            free, count = f"{stem} ({count})", count + 1
        found.append(free)
    return found


def export_model(model: Model | None, settings: ExportSettings) -> None:
    """Write the latest model as a folder."""
    from napari_contrastseg.learning.models.model import save_model  # noqa: PLC0415

    with notify_errors():
        if model is None:
            raise InputError("There is no model yet; run a round first.")
        folder = _need_folder(settings) / "model"
        refuse_existing(folder, overwrite=settings.overwrite)
        save_model(folder, model)
        notify_info(f"Model written to {folder}.")


def _need_folder(settings: ExportSettings) -> Path:
    if settings.folder is None:
        raise InputError("Name a folder to export to first.")
    return settings.folder
