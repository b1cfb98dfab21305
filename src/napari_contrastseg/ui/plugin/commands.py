"""Commands of napari's palette and menu: what the dock of the viewer does by name.

`commands.accept_slice`, for instance, is found by `__getattr__`: the manifest and the
docks' keys are the only lists of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.viewer import Viewer  # noqa: TC002  napari reads the annotation

from napari_contrastseg.ui.shortcuts import DOCKS

if TYPE_CHECKING:
    from collections.abc import Callable


def __getattr__(name: str) -> Callable[[Viewer], None]:
    """Make the function of a command; napari hands it the viewer in front."""
    if name.startswith("_"):
        raise AttributeError(name)

    def command(viewer: Viewer) -> None:
        DOCKS.run(viewer, name)

    command.__name__ = name
    return command
