"""Progress of long reading or writing, and its cancellation.

Whoever waits says so with `heard_by`, around all that it calls in one thread; what
takes long calls `went_on` now and then, however deep below. Where nobody waits, nothing
happens.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Hear = Callable[[float | None], None]


class GivenUpError(BaseException):
    """Nobody wants any more what is being read or written.

    No `Exception`: whatever turns a failure into words must let it through.
    """


_HEAR: Final[ContextVar[Hear | None]] = ContextVar("hear", default=None)


@contextmanager
def heard_by(hear: Hear) -> Iterator[None]:
    """Let something hear how far it is; it may raise `GivenUpError`."""
    before = _HEAR.set(hear)
    try:
        yield
    finally:
        _HEAR.reset(before)


def went_on(part: float | None = None) -> None:
    """Say which part is done, 0 to 1, or that it goes on and nobody knows how far.

    Raises
    ------
    GivenUpError
        Nobody wants the rest.
    """
    hear = _HEAR.get()
    if hear is not None:
        hear(part)


@contextmanager
def step_of(number: int, count: int) -> Iterator[None]:
    """Let what is done inside be one of several steps of the same length."""
    hear = _HEAR.get()
    if hear is None:
        yield
        return
    heard = hear

    def of_all(part: float | None) -> None:
        heard(None if part is None else (number + part) / count)

    of_all(0.0)
    with heard_by(of_all):
        yield
