"""Masks as 3D Slicer writes them: NRRD with named segments, by SimpleITK."""

from __future__ import annotations

from typing import TYPE_CHECKING

import SimpleITK as sitk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def with_segments(mask: Path, path: Path, names: Mapping[int, str]) -> Path:
    """Write a mask that ITK reads once more, its values named."""
    image = sitk.ReadImage(mask)
    for number, (value, name) in enumerate(names.items()):
        image.SetMetaData(f"Segment{number}_ID", f"Segment_{number}")
        image.SetMetaData(f"Segment{number}_Name", name)
        image.SetMetaData(f"Segment{number}_LabelValue", str(value))
        image.SetMetaData(f"Segment{number}_Layer", "0")
    sitk.WriteImage(image, path)
    return path
