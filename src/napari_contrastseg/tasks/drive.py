"""Driving a task: every end of it is an outcome, whatever happens inside.

::

    running --all events seen--> Finished
       |----is_cancelled()-----> Cancelled   (the task was closed in this thread)
       '----any exception------> Failed      (the message is fit for people)
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finished:
    """The task ran to its end."""


@dataclass(frozen=True)
class Cancelled:
    """The task was closed between two events; what it reported stays valid."""


@dataclass(frozen=True)
class Failed:
    """The task raised.

    Attributes
    ----------
    message : str
        One sentence for people.
    error : BaseException
    """

    message: str
    error: BaseException


Outcome = Finished | Cancelled | Failed


def always() -> bool:
    """Yes: what a task asks where nobody says otherwise; a name can be pickled."""
    return True


def never() -> bool:
    """No: as `always`."""
    return False


def drive(
    task: Generator[Any, None, None],
    report: Callable[[Any], None],
    is_cancelled: Callable[[], bool],
) -> Outcome:
    """Run a task to its end in this thread.

    Parameters
    ----------
    task : generator
        Closed in this thread, always.
    report : callable
        Gets every event; may block, to pause the task.
    is_cancelled : callable
        Asked after every event.
    """
    try:
        for event in task:
            report(event)
            if is_cancelled():
                return Cancelled()
    except Exception as error:  # noqa: BLE001  every end is an outcome
        return failure(error)
    finally:
        task.close()
    return Finished()


def failure(error: Exception) -> Failed:
    """Put what a task raised in a sentence; what nobody foresaw goes to the log."""
    if isinstance(error, InputError):
        return Failed(str(error), error)
    short = _memory_error(error)
    if short is not None:
        return Failed(str(short), short)
    _LOG.error("task failed", exc_info=error)
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return Failed(
        f"Something went wrong that should not ({text}); nothing painted is lost. "
        "The log holds the details for a bug report.",
        error,
    )


def _memory_error(error: Exception) -> InputError | None:
    if not isinstance(error, MemoryError | RuntimeError):
        return None
    from napari_contrastseg.learning.runtime.device import memory_error  # noqa: PLC0415

    return memory_error(error)
