"""The dock, loaded without collecting garbage meanwhile, so that it opens sooner."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def _no_collection() -> Iterator[None]:
    """Put off the collection of garbage: what modules hold stays anyway."""
    usual = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if usual:
            gc.enable()


with _no_collection():
    from napari_contrastseg.ui.dock import ContrastSegWidget

__all__ = ["ContrastSegWidget"]
