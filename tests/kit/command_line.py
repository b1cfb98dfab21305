"""The command as a person runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

Refused = Callable[..., str]


def contrastseg(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does, in a process of its own."""
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "napari_contrastseg.cli",
            *map(str, words),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
