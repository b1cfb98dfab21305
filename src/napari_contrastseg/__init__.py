"""Label a few slices, click, correct, export: contrastive segmentation in napari.

``import napari_contrastseg as cs`` has the Python API, `napari_contrastseg.api`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from napari_contrastseg.version import __version__

if TYPE_CHECKING:
    from napari_contrastseg.api import (
        InputError,
        Session,
        Volume,
        accept,
        export,
        image,
        label,
        mask,
        new_session,
        open_session,
        predict,
        propose,
        save_session,
        score,
        train,
    )

__all__ = [
    "InputError",
    "Session",
    "Volume",
    "__version__",
    "accept",
    "export",
    "image",
    "label",
    "mask",
    "new_session",
    "open_session",
    "predict",
    "propose",
    "save_session",
    "score",
    "train",
]

#: Looks for work before a thread of OpenMP sleeps: some dozen microseconds. Its own
#: 300,000 hold a core that other programs need (docs/performance.md).
OPENMP_SPINS = "1000"


def _spin_briefly() -> None:
    """Set it before torch is loaded, which reads it once, where a person has not."""
    chosen = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys()
    if not chosen and "torch" not in sys.modules:
        os.environ["GOMP_SPINCOUNT"] = OPENMP_SPINS


_spin_briefly()


def __getattr__(name: str) -> Any:
    """Read the Python API on first use, so that the import stays quick."""
    if name in __all__:
        from napari_contrastseg import api  # noqa: PLC0415

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
