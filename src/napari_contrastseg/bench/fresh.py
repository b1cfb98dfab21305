"""Measurements in processes of their own, so that none inherits another's memory."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from napari_contrastseg.io.errors import InputError


def in_a_fresh_process(module: str, what: str, *arguments: str) -> dict[str, Any]:
    """Run a module that prints one JSON object.

    Raises
    ------
    InputError
        It failed; `what` names it.
    """
    order = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    done = subprocess.run(order, check=False, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"{what} could not be run: {last}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))
