"""Load what first images and answers need, in a thread, once the dock stands."""

from __future__ import annotations

import threading
from functools import cache
from importlib import import_module
from typing import Any, Final

import pint
from vispy.visuals.line.dash_atlas import DashAtlas

#: Libraries that the dock is built without: pandas keeps the features of layers,
#: nibabel turns volumes, the others answer strokes and save. Sooner needed, first.
LIBRARIES: Final = (
    *("pandas", "nibabel", "scipy.ndimage", "zarr", "scipy.special"),
    *("scipy.interpolate", "scipy.optimize", "scipy.sparse", "skimage.segmentation"),
)
#: What everybody takes units from, napari too; pint gives its methods no types.
_TABLE: Final[Any] = pint.application_registry


@cache
def warm_up() -> threading.Thread:
    """Begin once; the first image then keeps the window waiting half as long.

    Cut off in the middle of a library, as a daemon is, the thread would let the whole
    program end with a crash. Who closes napari waits for the library at hand alone.
    """
    thread = threading.Thread(target=_load, name="contrastseg-warm-up")
    thread.start()
    return thread


def _load() -> None:
    """Load libraries, make the table of units, and the dashes of lines.

    The table is made apart and takes the place of one that nobody has asked for yet.
    """
    first, *rest = LIBRARIES
    import_module(first)
    if _nobody_asked():
        made: Any = pint.UnitRegistry(on_redefinition="raise")
        if _nobody_asked():
            _TABLE.set(made)
    DashAtlas()  # vispy keeps its patterns, which napari's first labels layer asks for
    for library in rest:
        if not threading.main_thread().is_alive():  # napari has been closed
            return
        import_module(library)


def _nobody_asked() -> bool:
    """Whether pint's own table is still to be made."""
    return type(_TABLE.get()) is pint.registry.LazyRegistry
