"""Cases that could not be predicted: the others go on, and each is named at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.plural import plural
from napari_contrastseg.tasks.events import Note

if TYPE_CHECKING:
    from collections.abc import Mapping


class FailedCases:
    """Why cases failed.

    Parameters
    ----------
    count : int
        Of all cases that are predicted.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self.why: dict[str, str] = {}

    def add(self, case: str, why: str) -> Note:
        """Keep why a case failed; gives what is said of it at once.

        Raises
        ------
        InputError
            There is no other case that could go on.
        """
        if self._count == 1:
            raise InputError(why)
        self.why[case] = why
        return Note(f"{case}: failed: {why.removeprefix(f'{case}: ')}")


def refuse_failed(failed: Mapping[str, str], written: int) -> None:
    """End a prediction of which cases failed.

    Parameters
    ----------
    failed : dict of str to str
        Why, by case.
    written : int
        How many other cases have masks.

    Raises
    ------
    InputError
        Cases failed.
    """
    if not failed:
        return
    name, why = next(iter(failed.items()))
    others = "the others are written" if written else "and none is written"
    raise InputError(
        f"{plural(len(failed), 'case')} failed, {others}; the first is {name}: "
        f"{why.removeprefix(f'{name}: ')}"
    )


def in_one_line(error: BaseException) -> str:
    """Say in one sentence why a case failed; name the kind of what nobody foresaw."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError | RuntimeError):
        from napari_contrastseg.learning.runtime.device import memory_error  # noqa: PLC0415

        if (short := memory_error(error)) is not None:
            return str(short)
    said = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
