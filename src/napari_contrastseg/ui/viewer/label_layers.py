"""Colours of label layers, and napari's own undo stack emptied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari.utils.colormaps import DirectLabelColormap

from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.rounds import Differs
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

#: Colours of `Differs`: of no class, since they lie over ink and proposals.
DIFFERENCE_COLOURS: Final[dict[int | None, Any]] = {
    None: (0, 0, 0, 0),
    Differs.NOT: (0, 0, 0, 0),
    Differs.ONLY_OTHER: "#ff00ff",
    Differs.ONLY_MINE: "#00ff00",
    Differs.CLASS: "#00ffff",
}


def forget_strokes(layer: Labels) -> None:
    """Empty napari's own undo stack: it would write old pixels; ours is the one."""
    layer._undo_history.clear()  # noqa: SLF001  no public way to empty it
    layer._redo_history.clear()  # noqa: SLF001


#: Background painted on purpose, and in the layer of what is sure: alone, it is a veil
#: that is clearly seen; beside the outline of all that is proposed there is none. The
#: ink's has a colour, since images are grey, and none that a class has.
BACKGROUND_COLOUR: Final = "#2640cc"
INK_VEIL: Final = (0.15, 0.25, 0.8, 0.7)
SURE_VEIL: Final = (0.2, 0.45, 0.9, 0.6)
NO_VEIL: Final = (0, 0, 0, 0)


def colormap(
    classes: Classes, background: tuple[float, ...] = INK_VEIL
) -> DirectLabelColormap:
    """Colours of ink and proposals, and of `background`."""
    colours: dict[int | None, Any] = {None: (0.9, 0.1, 0.9, 1.0), 0: (0, 0, 0, 0)}
    colours[BACKGROUND] = background
    colours |= {c.id: c.colour for c in classes}
    return DirectLabelColormap(color_dict=colours)
