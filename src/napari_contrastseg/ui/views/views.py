"""Ways to look at the shown volume, each on a key that goes there and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_contrastseg.ui.views.label_look import LabelLook
from napari_contrastseg.ui.views.solid_view import SolidView
from napari_contrastseg.ui.views.three_views import ThreeViews

if TYPE_CHECKING:
    from napari_contrastseg.ui.workspace import Workspace


class Views:
    """Holds what changes the look of labels, and further views of the volume.

    Attributes
    ----------
    look : LabelLook
    three : ThreeViews
    solid : SolidView
    """

    def __init__(self, workspace: Workspace) -> None:
        self.look = LabelLook(workspace)
        self.three = ThreeViews(workspace)
        self.solid = SolidView(workspace)

    def close(self) -> None:
        """Let go of the viewer."""
        self.solid.close()
        self.three.close()
        self.look.close()
