"""Load what napari needs for a first layer, in a thread, before it is asked for."""

from __future__ import annotations

import threading
from functools import cache
from importlib import import_module
from typing import Any, Final

import pint

#: What everybody takes units from, napari too; pint gives its methods no types.
_TABLE: Final[Any] = pint.application_registry


@cache
def warm_up() -> threading.Thread:
    """Begin once; the first image then keeps the window waiting half as long."""
    thread = threading.Thread(target=_load, name="contrastseg-warm-up", daemon=True)
    thread.start()
    return thread


def _load() -> None:
    """Load pandas, which layers keep their features in, and the table of units.

    The table is made apart and takes the place of one that nobody has asked for yet.
    """
    import_module("pandas")
    if _nobody_asked():
        made: Any = pint.UnitRegistry(on_redefinition="raise")
        if _nobody_asked():
            _TABLE.set(made)


def _nobody_asked() -> bool:
    """Whether pint's own table is still to be made."""
    return type(_TABLE.get()) is pint.registry.LazyRegistry
