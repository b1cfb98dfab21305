"""Images that cannot be opened at once: something is chosen first, or much unpacked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.choice import Choice, SeveralPartsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_contrastseg.io.choice import NotUprightError


@dataclass(frozen=True)
class Unopened:
    """A file or folder, and why its image is not open yet.

    Attributes
    ----------
    path : Path
    name : str
        Of the volume, as long as no part is chosen.
    choice : Choice
        What was chosen so far.
    error : SeveralPartsError or NotUprightError, or None
        None where nothing is to be chosen: to read it takes long.
    """

    path: Path
    name: str
    choice: Choice
    error: SeveralPartsError | NotUprightError | None = None

    @property
    def why(self) -> str:
        """What there is to choose from; with the file's name alone, for a dock."""
        if self.error is None:
            return ""
        part = f" {self.choice.part}" if self.choice.part else ""
        return self.error.why.replace(str(self.path), f"{self.path.name}{part}")

    @property
    def ways(self) -> dict[str, Choice]:
        """What may be chosen, by the words for it; what takes all of it comes first."""
        if isinstance(self.error, SeveralPartsError):
            parts = sorted(self.error.parts, key=lambda part: part.kind != "whole")
            return {
                f"{part.key}: {part.title}" if part.title else part.key: replace(
                    self.choice, part=part.key
                )
                for part in parts
            }
        if self.error is None:
            return {}
        upright = replace(self.choice, upright=True)
        return {"resampled to an even, upright grid": upright}

    def chosen(self, choice: Choice) -> Unopened:
        """Give the image of a choice, of which nothing is to be chosen any more."""
        return Unopened(self.path, self.named(choice), choice)

    def named(self, choice: Choice) -> str:
        """Name the volume of a choice."""
        parts = getattr(self.error, "parts", ())
        whole = any(p.key == choice.part and p.kind == "whole" for p in parts)
        if whole or choice.part == self.choice.part:
            return self.name
        return f"{self.name} {choice.part}"


class Waiting:
    """Who opens images that napari's drop or menu has brought, and not at once.

    napari hands a reader nothing but paths, so that docks say here which viewer they
    belong to.
    """

    def __init__(self) -> None:
        self._docks: list[tuple[Any, Callable[[Unopened], None]]] = []

    def join(self, viewer: Any, ask: Callable[[Unopened], None]) -> None:
        """Let a viewer's dock ask from now on."""
        self._docks.append((viewer, ask))

    def leave(self, viewer: Any) -> None:
        """Let it ask no more."""
        self._docks = [entry for entry in self._docks if entry[0] is not viewer]

    def ask(self, viewer: Any, unopened: Unopened) -> bool:
        """Let the dock of a viewer open it, else the one opened last; False without."""
        own = [ask for shown, ask in self._docks if shown is viewer]
        every = own or [ask for _, ask in self._docks]
        if every:
            every[-1](unopened)
        return bool(every)


WAITING: Final = Waiting()
