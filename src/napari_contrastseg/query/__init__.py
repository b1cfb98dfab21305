"""Query strategies, one a file: every module with a `STRATEGY` is found by itself."""

from __future__ import annotations

from functools import cache
from typing import Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.plugins import discover
from napari_contrastseg.query.strategy import Strategy

#: What the window uses until a person chooses.
DEFAULT: Final = "expected_error"


@cache
def catalogue() -> dict[str, Strategy]:
    """All strategies by name."""
    return discover(__name__, "STRATEGY", Strategy)


def names() -> list[str]:
    """Every name that the command line takes, aliases last."""
    every = catalogue().values()
    return [*catalogue(), *(alias for s in every for alias in s.aliases)]


def strategy_named(name: str) -> Strategy:
    """Find a strategy by its name or an alias.

    Raises
    ------
    InputError
        There is no such strategy.
    """
    for strategy in catalogue().values():
        if name in (strategy.name, *strategy.aliases):
            return strategy
    raise InputError(
        f"There is no query strategy {name!r}; choose one of {', '.join(names())}."
    )
