"""Versions of this installation, to compare with those of a cluster's workers."""

from __future__ import annotations

import importlib.metadata
import platform
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Packages whose versions must be equal: results, and what is sent, depend on them.
PACKAGES: Final = ("napari-contrastseg", "distributed", "torch", "numpy")


def installation() -> dict[str, str]:
    """List the versions of Python and of what must be the same on both sides."""
    python = ".".join(platform.python_version_tuple()[:2])
    found = {"Python": python}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def difference(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """Say the first difference of two installations; ``""`` where there is none."""
    for name, version in here.items():
        other = there.get(name)
        if other is None:
            return f"has no {name}, and here it is {version}"
        if other != version:
            return f"has {name} {other}, and here it is {version}"
    return ""
