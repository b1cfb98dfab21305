"""Choice of where the window's rounds run: a process of their own, or a thread."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.executors.first_available import FirstAvailable
from napari_contrastseg.tasks.executors.process import ProcessExecutor
from napari_contrastseg.tasks.executors.thread import ThreadExecutor

if TYPE_CHECKING:
    from napari_contrastseg.tasks.executors.executor import Executor

#: Environment variable that says where rounds run: "process" or "thread".
ROUNDS_VARIABLE: Final = "CONTRASTSEG_ROUNDS"
PROCESS, THREAD = "process", "thread"
#: The place where nothing is chosen: `contrastseg bench ui` measures both.
USUAL: Final = PROCESS


def chosen_executor() -> Executor:
    """Make the executor that a person has chosen: by default a process.

    Raises
    ------
    InputError
        The environment variable names no place.
    """
    chosen = os.environ.get(ROUNDS_VARIABLE, "").strip().lower() or USUAL
    if chosen not in (PROCESS, THREAD):
        raise InputError(
            f"{ROUNDS_VARIABLE}: {chosen!r} is not a place where rounds can run; write "
            f"{PROCESS} or {THREAD}."
        )
    return executor_named(chosen)


def executor_named(place: str) -> Executor:
    """Make the executor of a place: `PROCESS`, or `THREAD` of this process."""
    if place == THREAD:
        return ThreadExecutor()
    return FirstAvailable(ProcessExecutor(), ThreadExecutor())
