"""Whether the tour was offered to this person before."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from platformdirs import user_config_path

from napari_contrastseg.session.storage.locations import HOME_VARIABLE


def _mark() -> Path:
    home = os.environ.get(HOME_VARIABLE)
    base = Path(home) if home else user_config_path("napari-contrastseg")
    return base / "tour-was-offered"


def was_offered() -> bool:
    """Whether it was: then it is not offered again."""
    return _mark().exists()


def remember() -> None:
    """Offer it no more; where nothing can be written it may come again."""
    with suppress(OSError):
        _mark().parent.mkdir(parents=True, exist_ok=True)
        _mark().touch()
