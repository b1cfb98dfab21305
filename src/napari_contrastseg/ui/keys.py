"""Keys: on the viewer and on our layers; none that napari's Labels layer uses."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from napari_contrastseg.session.classes import BACKGROUND, MAX_KEY
from napari_contrastseg.ui.shortcuts import Key, usual

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from napari_contrastseg.ui.data.controller import DataController
    from napari_contrastseg.ui.embedding.similar import FindSimilar
    from napari_contrastseg.ui.review.controller import ReviewController
    from napari_contrastseg.ui.review.queue_controller import QueueController
    from napari_contrastseg.ui.views.views import Views
    from napari_contrastseg.ui.workspace import Workspace


def all_keys(
    workspace: Workspace,
    data: DataController,
    review: ReviewController,
    queue: QueueController,
    similar: FindSimilar,
    next_case: Callable[[], object],
) -> tuple[Key, ...]:
    """List the keys: those of classes, then the others as the help shows them."""
    paint = [
        Key(f"Alt-{number}", "", partial(workspace.choose_class, number))
        for number in range(1, MAX_KEY + 1)
    ]
    return (
        *paint,
        Key("Alt-0", "", partial(workspace.choose_class, BACKGROUND)),
        Key(
            "D",
            "mark the shown slice done, or not done",
            data.done.press,
            name="mark_done",
        ),
        Key(
            ",",
            "previous slice",
            workspace.previous_slice,
            repeats=True,
            name="previous_slice",
        ),
        Key(".", "next slice", workspace.next_slice, repeats=True, name="next_slice"),
        Key(
            "N",
            "go to the slice worth a look next",
            queue.go_to_next,
            name="go_to_next",
        ),
        Key("Shift-N", "go back to the slice before", queue.go_back, name="go_back"),
        Key(
            "Alt-N",
            "close this case and open the next that is not done",
            next_case,
            name="next_case",
        ),
        Key(
            "S",
            "find voxels like the one under the cursor",
            similar.under_cursor,
            name="find_similar",
        ),
        Key(
            "A",
            "accept what is shown of the slice",
            review.accept_slice,
            name="accept_slice",
        ),
        Key(
            "C",
            "accept the piece under the cursor",
            review.accept_component,
            name="accept_piece",
        ),
        Key(
            "Shift-C",
            "accept that piece through all slices",
            partial(review.accept_component, through=True),
            name="accept_piece_through",
        ),
        Key(
            "R",
            "reject the piece under the cursor",
            review.reject_component,
            name="reject_piece",
        ),
        Key(
            "Shift-R",
            "reject that piece through all slices",
            partial(review.reject_component, through=True),
            name="reject_piece_through",
        ),
        Key(
            "Alt-R", "reject the shown slice", review.reject_slice, name="reject_slice"
        ),
        Key(
            "Control-Z",
            "undo, where a layer of the session is selected",
            workspace.undo,
            ours_alone=True,
            repeats=True,
            name="undo",
        ),
        Key(
            "Control-Shift-Z",
            "redo, where a layer of the session is selected",
            workspace.redo,
            ours_alone=True,
            repeats=True,
            name="redo",
        ),
    )


def view_keys(views: Views) -> tuple[Key, ...]:
    """List the keys of how the shown volume is looked at."""
    look = views.look
    return (
        Key("O", "show the two other planes beside the slice", views.three.toggle),
        Key("Shift-O", "see labels in 3-D, or the slice again", views.solid.toggle),
        Key("Q", "hide the proposal, or show it again", look.toggle_proposals),
        Key("W", "show labels as outlines, or filled", look.toggle_outlines),
        Key("Alt-,", "labels less opaque", look.less_opaque, repeats=True),
        Key("Alt-.", "labels more opaque", look.more_opaque, repeats=True),
    )


@runtime_checkable
class HasKeys(Protocol):
    """A step that brings keys along."""

    @property
    def keys(self) -> Sequence[tuple[str, str, Callable[[], object]]]:
        """Keys as napari writes them, what they do in the list of keys, and how."""
        ...


def keys_of(steps: Iterable[object]) -> Iterator[Key]:
    """Give the keys that steps bring along."""
    for step in steps:
        if isinstance(step, HasKeys):
            for key, words, action in step.keys:
                yield Key(key, words, action)


def help_text(keys: Sequence[Key], now: Callable[[Key], str] = usual) -> str:
    """List the keys, as rich text.

    Parameters
    ----------
    keys : sequence of Key
    now : callable
        Gives the keys that a command has now, as napari writes them; "" for none.
    """
    rows = [("Alt-1 .. Alt-9", "paint this class"), ("Alt-0", "paint background")]
    rows += [(now(entry), entry.words) for entry in keys if entry.words]
    cells = "".join(
        f"<tr><td><b>{key.replace('Control', 'Ctrl')}</b>&nbsp;&nbsp;</td>"
        f"<td>{words}</td></tr>"
        for key, words in rows
        if key
    )
    changed = any(now(entry) != entry.key for entry in keys if entry.words)
    yours = (
        "<p>You changed keys in napari's Preferences; the buttons still name the keys "
        "that came with ContrastSeg.</p>"
    )
    return (
        f"<table>{cells}</table><p>napari's own keys go on working: 1 or E erase, "
        "2 or P paint, 4 or F fill, 6 or Z move, [ and ] brush size.</p>"
        f"{yours if changed else ''}"
    )
