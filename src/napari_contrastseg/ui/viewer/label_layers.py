"""Colours of label layers, and napari's own undo stack emptied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari.utils.colormaps import DirectLabelColormap

from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.targets import Origin

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_contrastseg.session.classes import Classes

#: Colours of `Origin`'s values.
ORIGIN_COLOURS: Final[dict[int | None, Any]] = {
    None: (0, 0, 0, 0),
    0: (0, 0, 0, 0),
    Origin.PAINTED: "#0072b2",
    Origin.CORRECTED: "#e69f00",
    Origin.ACCEPTED: "#009e73",
    Origin.ACCEPTED_INTERPOLATION: "#56b4e9",
    Origin.ACCEPTED_LIVE: "#f0e442",
    Origin.ACCEPTED_FUSED: "#cc79a7",
}


def forget_strokes(layer: Labels) -> None:
    """Empty napari's own undo stack: it would write old pixels; ours is the one."""
    layer._undo_history.clear()  # noqa: SLF001  no public way to empty it
    layer._redo_history.clear()  # noqa: SLF001


def colormap(classes: Classes) -> DirectLabelColormap:
    """Colours of ink and proposals; background painted on purpose is a grey veil."""
    colours: dict[int | None, Any] = {None: (0.9, 0.1, 0.9, 1.0), 0: (0, 0, 0, 0)}
    colours[BACKGROUND] = (0.6, 0.6, 0.6, 0.35)
    colours |= {c.id: c.colour for c in classes}
    return DirectLabelColormap(color_dict=colours)
