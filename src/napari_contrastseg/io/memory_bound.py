"""Memory that arrays of large volumes may take: a quarter of the machine by default."""

from __future__ import annotations

import os
import re
from typing import Final

import psutil

from napari_contrastseg.io.errors import InputError

#: Environment variable that names another bound: "4 GB", "500 MB", "25 %" or bytes.
MEMORY_VARIABLE: Final = "CONTRASTSEG_MEMORY"
#: Part of the machine's memory that is the bound by default.
USUAL_SHARE: Final = 0.25
_UNITS: Final = {"": 1, "B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}


def memory_bound() -> int:
    """Bytes that arrays of large volumes may take together.

    Raises
    ------
    InputError
        The environment variable names no amount.
    """
    chosen = os.environ.get(MEMORY_VARIABLE, "").strip()
    if chosen:
        return parsed_memory(chosen, MEMORY_VARIABLE)
    return int(psutil.virtual_memory().total * USUAL_SHARE)


def parsed_memory(text: str, name: str) -> int:
    """Read an amount of memory: "4 GB", "500 MB", "25 %" of the machine, or bytes.

    Raises
    ------
    InputError
        It is none; `name` says where it stands.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?B|%|)", text.strip().upper())
    if found is None:
        raise InputError(
            f"{name}: {text!r} is not an amount of memory; write for example "
            "4 GB, 500 MB or 25 %."
        )
    number, unit = float(found[1]), found[2]
    if unit == "%":
        return int(psutil.virtual_memory().total * number / 100)
    return int(number * _UNITS[unit])
