"""Exporting from the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import file_names, stem_of, write_mask
from napari_contrastseg.io.json_file import refuse_existing
from napari_contrastseg.session.record import mask_of
from napari_contrastseg.ui.notify import tell, telling

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.learning.model import Model
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.ui.panels.export_panel import ExportSettings


def export_masks(session: Session, settings: ExportSettings) -> None:
    """Write one mask a volume."""
    with telling():
        folder = _need_folder(settings)
        paths = {
            name: folder / f"{stem}{settings.ending}"
            for name, stem in file_names(session.records).items()
        }
        origins = {
            name: path.with_name(f"{stem_of(path)}_origin{settings.ending}")
            for name, path in paths.items()
            if settings.origin
        }
        for path in (*paths.values(), *origins.values()):
            refuse_existing(path, overwrite=settings.overwrite)
        for name, record in session.records.items():
            mask = mask_of(record, complete=settings.complete)
            write_mask(paths[name], mask, record.volume)
            if name in origins:
                write_mask(origins[name], record.origin, record.volume)
        tell(f"{len(paths)} mask{'s' * (len(paths) != 1)} written to {folder}.")


def export_model(model: Model | None, settings: ExportSettings) -> None:
    """Write the latest model as a folder."""
    from napari_contrastseg.learning.model import save_model  # noqa: PLC0415

    with telling():
        if model is None:
            raise InputError("There is no model yet; run a round first.")
        folder = _need_folder(settings) / "model"
        refuse_existing(folder, overwrite=settings.overwrite)
        save_model(folder, model)
        tell(f"Model written to {folder}.")


def _need_folder(settings: ExportSettings) -> Path:
    if settings.folder is None:
        raise InputError("Name a folder to export to first.")
    return settings.folder
