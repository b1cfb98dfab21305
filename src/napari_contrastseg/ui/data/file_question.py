"""Ask what of a file is to be opened: one of its images, or a resampled grid."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from napari_contrastseg.io.choice import SeveralPartsError
from napari_contrastseg.ui.widgets.notice import Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_contrastseg.io.choice import Choice
    from napari_contrastseg.ui.viewer.unopened import Unopened
    from napari_contrastseg.ui.widgets.notice import Questions

RESAMPLE: Final = ("Resample", "Leave it")
RESAMPLE_TIPS: Final = (
    "Open it on an even, upright grid; its masks have that grid, too",
    "It is not opened",
)


def ask_of_file(
    questions: Questions,
    unopened: Unopened,
    take: Callable[[Choice], None],
    layers: Sequence[object] = (),
) -> None:
    """Ask, as long as there are these layers, and hand on what was chosen."""
    ways = unopened.ways
    several = isinstance(unopened.error, SeveralPartsError)
    questions.ask(
        Notice(
            f"{unopened.why}{': click what you mean' if several else ''}.",
            ("Leave it",) if several else RESAMPLE,
            ("It is not opened",) if several else RESAMPLE_TIPS,
            tuple(ways) if several else (),
        ),
        *([do_nothing] if several else []),
        *(partial(take, choice) for choice in ways.values()),
        *([] if several else [do_nothing]),
        layers=layers,
    )


def do_nothing() -> None:
    """Leave everything as it is."""
