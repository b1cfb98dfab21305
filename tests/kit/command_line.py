"""The command as a person runs it."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple
from unittest.mock import patch

from napari_contrastseg import cli

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


class Said(NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


def here(*words: object) -> Said:
    """Run the command in this process."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with (
        patch.object(sys, "argv", ["contrastseg", *map(str, words)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as ended:
            status = int(ended.code or 0)
    return Said(status, out.getvalue(), err.getvalue())
