"""Ways to look at the shown volume, each on a key that goes there and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_contrastseg.ui.views.label_look import LabelLook

if TYPE_CHECKING:
    from napari_contrastseg.ui.workspace import Workspace


class Views:
    """Holds what changes the look of labels, and further views of the volume.

    Attributes
    ----------
    look : LabelLook
    """

    def __init__(self, workspace: Workspace) -> None:
        self.look = LabelLook(workspace)

    def close(self) -> None:
        """Let go of the viewer."""
        self.look.close()
