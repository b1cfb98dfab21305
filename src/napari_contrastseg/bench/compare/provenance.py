"""Package version and git commit that a result was made with."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import napari_contrastseg

PACKAGE: Final = Path(napari_contrastseg.__file__).parent
GIT_SECONDS: Final = 10


def provenance() -> dict[str, str | None]:
    """Give the package's version, and the commit of its source checkout if any."""
    return {"version": napari_contrastseg.__version__, "commit": commit()}


def commit(package: Path = PACKAGE) -> str | None:
    """Find the commit of a source checkout, with ``-dirty`` where files differ.

    None where there is no git or the package is not part of a checkout: a package
    installed below somebody else's repository is not one of its files.
    """
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    head = _git(package, "rev-parse", "HEAD")
    if head is None:
        return None
    same = _git(package, "diff", "--quiet", "HEAD", "--", ".") is not None
    return head if same else f"{head}-dirty"


def _git(folder: Path, *words: str) -> str | None:
    """Run git in a folder; what it prints, or None where it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout.strip()
