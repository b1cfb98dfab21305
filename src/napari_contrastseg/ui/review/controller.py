"""Reviewing in the window: accept, reject, thresholds, comparing rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session import review
from napari_contrastseg.session.rounds import compare
from napari_contrastseg.ui.notify import notify_errors
from napari_contrastseg.ui.review.panel import ReviewState
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.viewer.overlays import show_labels

if TYPE_CHECKING:
    from napari_contrastseg.ui.workspace import Workspace

#: Milliseconds after the last move of a threshold until all slices follow.
SETTLE_MS = 250


class ReviewController(QObject):
    """The intents of step Review, for the volume and slice that are shown."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._compared: tuple[str, int, int, str] | None = None
        self._settle = single_shot(self.refresh_all, SETTLE_MS, self)
        workspace.session_closing.connect(self._forget)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._settle.stop()

    def _forget(self) -> None:
        """Another session comes: nothing of this one's counts."""
        self._compared = None

    def state(self) -> ReviewState:
        """Return what the panel shows, but for the queue."""
        session = self._workspace.session
        compared, compared_words = self.compared
        return ReviewState(
            rounds=tuple(r.info.number for r in session.rounds),
            round=session.rounds.current.info.number
            if session.rounds.current
            else None,
            proposed=any(r.proposal is not None for r in session.records.values()),
            left=sum(len(review.slices_to_review(r)) for r in session.records.values()),
            classes=session.classes,
            thresholds=dict(session.all_thresholds()),
            undo=session.history.last,
            compared=compared,
            compared_words=compared_words,
        )

    def accept_slice(self) -> None:
        """Accept the shown slice."""
        with notify_errors():
            review.accept_slice(
                self._workspace.session,
                self._workspace.need_active(),
                self._workspace.current_slice,
            )

    def accept_component(self) -> None:
        """Accept the component under the cursor."""
        with notify_errors():
            review.accept_component(self._workspace.session, *self._under_cursor())

    def reject_component(self) -> None:
        """Reject the component under the cursor."""
        with notify_errors():
            review.reject_component(self._workspace.session, *self._under_cursor())

    def reject_slice(self) -> None:
        """Reject what is proposed on the shown slice."""
        with notify_errors():
            review.reject_slice(
                self._workspace.session,
                self._workspace.need_active(),
                self._workspace.current_slice,
            )

    def accept_class(self, class_id: int) -> None:
        """Accept a class in the active volume, as far as it is sure."""
        with notify_errors():
            chosen = _a_class(class_id)
            review.accept_class(
                self._workspace.session,
                self._workspace.need_active(),
                chosen,
                "pseudo",
            )

    def reject_class(self, class_id: int) -> None:
        """Reject all that is proposed as a class in the active volume."""
        with notify_errors():
            chosen = _a_class(class_id)
            review.reject_class(
                self._workspace.session, self._workspace.need_active(), chosen
            )

    def move_threshold(self, class_id: int, value: float) -> None:
        """Set a threshold (-1: all) and show it on this slice at once."""
        ids = self._workspace.session.all_thresholds() if class_id < 0 else [class_id]
        for one in ids:
            self._workspace.session.set_threshold(one, value)
        if self._workspace.active is not None:
            self._workspace.session.touch(
                self._workspace.active, [self._workspace.current_slice]
            )
        self._settle.start()

    def refresh_all(self) -> None:
        """Bring every volume's pseudo-labels up to date."""
        for volume_id in self._workspace.session.records:
            self._workspace.session.touch(volume_id)

    def bring_back(self, number: int) -> None:
        """Show an earlier round's proposals."""
        with notify_errors():
            self._workspace.session.bring_back(number)

    def compare(self, number: int) -> None:
        """Show where another round differs from the current one; 0: no longer."""
        with notify_errors():
            volume_id = self._workspace.need_active()
            session, registry = self._workspace.session, self._workspace.registry
            registry.drop(volume_id, "difference")
            self._compared = None
            if not number or session.rounds.current is None:
                return
            other = next(r for r in session.rounds if r.info.number == number)
            mine = session.rounds.current.proposals.get(volume_id)
            theirs = other.proposals.get(volume_id)
            if mine is None or theirs is None:
                raise InputError(
                    f"{volume_id}: was not predicted in both rounds; choose another."
                )
            found = compare(mine, theirs)
            show_labels(registry, volume_id, "difference", found.difference)
            agree = ", ".join(
                f"{session.class_name(i)} {d:.3f}" for i, d in found.dice.items()
            )
            words = (
                f"differs in {100 * found.share:.1f} % of the voxels; Dice between "
                f"them: {agree or 'no class predicted'}"
            )
            self._compared = (volume_id, mine.round, number, words)
        self._workspace.changed.emit()

    @property
    def compared(self) -> tuple[int | None, str]:
        """Round whose difference is shown, and how much it differs."""
        session, volume_id = self._workspace.session, self._workspace.active
        if (
            self._compared is None
            or session.rounds.current is None
            or volume_id is None
        ):
            return None, ""
        shown_of, mine, number, words = self._compared
        still = (shown_of, mine) == (volume_id, session.rounds.current.info.number)
        if not still or not self._workspace.shows(volume_id, "difference"):
            return None, ""
        return number, words

    def _under_cursor(self) -> tuple[str, tuple[int, ...], review.Layer]:
        volume_id = self._workspace.need_active()
        voxel = self._workspace.registry.voxel(
            volume_id, self._workspace.viewer.cursor.position
        )
        pseudo = self._workspace.registry.layer(volume_id, "pseudo")
        shown: review.Layer = (
            "pseudo" if pseudo is not None and pseudo.visible else "prediction"
        )
        return volume_id, voxel, shown


def _a_class(class_id: int) -> int:
    if class_id <= 0:
        raise InputError("Choose a class beside 'sure from' first.")
    return class_id
