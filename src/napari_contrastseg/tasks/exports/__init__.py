"""What a session is exported as, one a file; modules with an `EXPORT` are found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import refuse_existing
from napari_contrastseg.io.plugins import discover
from napari_contrastseg.learning.plan.setting import changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from napari_contrastseg.session.session import Session


@dataclass(frozen=True)
class Output:
    """The folder that an export writes into."""

    folder: Path
    overwrite: bool = False

    def claim(self, *names: str) -> list[Path]:
        """Give the paths of files or folders of these names.

        Raises
        ------
        InputError
            One of them is there and may not be overwritten.
        """
        paths = [self.folder / name for name in names]
        for path in paths:
            refuse_existing(path, overwrite=self.overwrite)
        return paths


def nothing_to_say(_session: Session, _options: Any) -> str:
    """Say nothing: what an export has to say of its files where it says no more."""
    return ""


@dataclass(frozen=True)
class Export:
    """A way to export a session.

    Attributes
    ----------
    name, title, summary : str
        For the command line, the window, and one sentence about it.
    options : frozen dataclass
        Default options; each field is ``Annotated[type, Setting(...)]``.
    missing : Session -> str or None
        What the session lacks for it, as a request: "Add a volume first".
    run : (Session, options, Output) -> iterator of Path
        Claims all its names before it writes, and gives each file as it is written.
    of_model : bool
        Whether it reads the model and no labels: the window copies none for it.
    note : (Session, options) -> str
        What a person should know of the files, said once they are written.
    """

    name: str
    title: str
    summary: str
    options: Any
    missing: Callable[[Session], str | None]
    run: Callable[[Session, Any, Output], Iterator[Path]]
    of_model: bool = False
    note: Callable[[Session, Any], str] = nothing_to_say

    def write(self, session: Session, options: Any, output: Output) -> Iterator[Path]:
        """Write a session; gives each file as it is written.

        Raises
        ------
        InputError
            The session lacks something, or a file is there already; nothing has been
            written then. Or a file cannot be written.
        """
        missing = self.missing(session)
        if missing is not None:
            first = missing[:1].lower() + missing[1:]
            raise InputError(f"{self.title} cannot be exported yet: {first}.")
        yield from self.run(session, options, output)


@cache
def catalogue() -> dict[str, Export]:
    """All exports by name."""
    return discover(__name__, "EXPORT", Export)


def export_named(name: str) -> Export:
    """Find an export.

    Raises
    ------
    InputError
        There is none of that name.
    """
    try:
        return catalogue()[name]
    except KeyError:
        raise InputError(
            f"There is no export {name!r}; choose one of {', '.join(catalogue())}."
        ) from None


def options_of(export: Export, changes: Mapping[str, str]) -> Any:
    """Give an export's options with some values changed.

    Raises
    ------
    InputError
        There is no such option, or it cannot have that value.
    """
    return changed(export.options, changes, f"Export {export.name} has no option")
