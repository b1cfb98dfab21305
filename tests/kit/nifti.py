"""NIfTI files, read and written by nibabel alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nibabel as nib

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


def load(path: Path) -> Any:
    """Open a NIfTI file."""
    return nib.load(path)


def save(path: Path, data: np.ndarray, affine: np.ndarray) -> Path:
    nib.Nifti1Image(data, affine).to_filename(path)
    return path
