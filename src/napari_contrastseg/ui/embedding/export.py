"""The map as a picture or a table, in a file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session.classes import class_name
from napari_contrastseg.tasks.voxels import PROVENANCE
from napari_contrastseg.ui.embedding.colours import groups
from napari_contrastseg.ui.notify import notify_errors, notify_info

if TYPE_CHECKING:
    from napari_contrastseg.ui.embedding.dock import EmbeddingView

COLUMNS = (
    *("volume", "s0", "s1", "s2", "class", "provenance", "confidence", "round"),
    *("x", "y", "silhouette"),
)
#: Side of the drawing, and room for its legend.
SIDE, LEGEND = 800, 240


def ask_export(view: EmbeddingView, kind: str) -> None:
    """Ask where to, and write the shown map there."""
    if view.frame is None:
        notify_info("There is no map yet; run a round first.")
        return
    dialog = QFileDialog(view, "Export the map", f"map.{kind}", f"*.{kind}")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(kind)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.fileSelected.connect(lambda file: export(view, Path(file), kind))
    dialog.open()


def export(view: EmbeddingView, path: Path, kind: str) -> None:
    """Write the map as it is shown (png), as a drawing (svg) or a table (csv)."""
    writers = {"csv": _write_table, "svg": _write_drawing, "png": _write_picture}
    with notify_errors():
        try:
            writers[kind](view, path)
        except OSError as error:
            raise InputError(
                f"{path}: could not be written ({error.strerror}); choose another "
                "folder."
            ) from None
        notify_info(f"The map is written to {path}.")


def _write_picture(view: EmbeddingView, path: Path) -> None:
    path.touch()  # says what is wrong with the place; Qt does not
    if not view.map.grab().save(str(path), "PNG"):
        raise OSError(0, "the picture could not be made")


def _write_drawing(view: EmbeddingView, path: Path) -> None:
    frame, about, classes = view.frame, view.about, view.value().classes
    assert frame is not None
    assert about is not None
    low = frame.layout.min(axis=0)
    unit = SIDE / (float(np.ptp(frame.layout, axis=0).max()) or 1.0)
    shapes: list[str] = []
    names: list[str] = []
    for group in groups(view.colour.currentText(), frame.table, about, classes):
        colour, alpha = group.colour[:7], int(group.colour[7:] or "ff", 16) / 255
        head = f'<g fill="{colour}" fill-opacity="{alpha:.2f}">'
        dots = [
            f'<circle cx="{x:.1f}" cy="{SIDE - y:.1f}" r="{group.size / 2}"/>'
            for x, y in (frame.layout[group.rows] - low) * unit
        ]
        shapes += [head, *dots, "</g>"]
        if group.name:
            down = 20 * (len(names) + 1)
            names.append(
                f'<circle cx="{SIDE + 20}" cy="{down}" r="5" fill="{colour}"/><text '
                f'x="{SIDE + 32}" y="{down + 5}">{escape(group.name)}</text>'
            )
    box = f"-10 -10 {SIDE + LEGEND + 20} {SIDE + 20}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" '
        f'font-family="sans-serif" font-size="14"><title>{escape(frame.words)}</title>'
    )
    path.write_text("\n".join([head, *shapes, *names, "</svg>", ""]), encoding="utf-8")


def _write_table(view: EmbeddingView, path: Path) -> None:
    frame, about, classes = view.frame, view.about, view.value().classes
    assert frame is not None
    assert about is not None
    table = frame.table
    silhouette = np.full(len(table), np.nan)
    silhouette[table.known] = frame.scores.samples
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(COLUMNS)
        for row in range(len(table)):
            label = int(about.label[row])
            out.writerow(
                (
                    table.names[table.volume[row]],
                    *table.position[row].tolist(),
                    class_name(classes, label) if label >= 0 else "",
                    PROVENANCE[int(about.provenance[row])],
                    _number(about.confidence[row]),
                    int(about.round[row]) or "",
                    *(_number(x) for x in frame.layout[row]),
                    _number(silhouette[row]),
                )
            )


def _number(value: Any) -> str:
    return "" if np.isnan(value) else f"{value:.4f}"
