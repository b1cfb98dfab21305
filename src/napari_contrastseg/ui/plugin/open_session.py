"""Opens napari with a session: what `contrastseg demo --gui` shows."""

from __future__ import annotations

import sys
from pathlib import Path

import napari

from napari_contrastseg.ui.dock import ContrastSegWidget


def open_session(folder: Path) -> tuple[napari.Viewer, ContrastSegWidget]:
    """Open a viewer with the dock and a session in it."""
    viewer = napari.Viewer(title="ContrastSeg")
    widget = ContrastSegWidget(viewer)
    viewer.window.add_dock_widget(widget, name="ContrastSeg", area="right")
    widget.session_controller.open(folder)
    return viewer, widget


if __name__ == "__main__":
    open_session(Path(sys.argv[1]))
    napari.run()
