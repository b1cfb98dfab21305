"""Import libraries that are not always installed, or say which extra brings them."""

from __future__ import annotations

import importlib
from typing import Any

from napari_contrastseg.io.errors import InputError


def need(module: str, purpose: str, extra: str) -> Any:
    """Import a module of an optional library.

    Parameters
    ----------
    module : str
    purpose : str
        What it is needed for, to begin a sentence with: ``DICOM files``.
    extra : str
        The extra of this package that installs it.

    Raises
    ------
    InputError
        It is not installed; names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise InputError(
            f"{purpose} need {library}, which is not installed: pip install "
            f"'napari-contrastseg[{extra}]'."
        ) from error
