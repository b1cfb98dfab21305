"""Sources of proposals, one a file: a module with a `PROPOSER` is found by itself."""

from __future__ import annotations

from functools import cache

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.plugins import discover
from napari_contrastseg.proposers.proposer import Proposer


@cache
def catalogue() -> dict[str, Proposer]:
    """All sources of proposals by name."""
    return discover(__name__, "PROPOSER", Proposer)


def proposer_named(name: str) -> Proposer:
    """Find a source of proposals by its name.

    Raises
    ------
    InputError
        There is no such source.
    """
    try:
        return catalogue()[name]
    except KeyError:
        known = ", ".join(catalogue())
        raise InputError(
            f"There is no source of proposals {name!r}; choose one of {known}."
        ) from None
