"""Reviewing in the window: accept, reject, thresholds, comparing rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.plural import plural
from napari_contrastseg.session import review
from napari_contrastseg.session.rounds import compare
from napari_contrastseg.ui.notify import notify_errors, notify_info
from napari_contrastseg.ui.review.panel import ReviewState
from napari_contrastseg.ui.review.words import accepted_words, sure_words
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.viewer.label_layers import DIFFERENCE_COLOURS
from napari_contrastseg.ui.viewer.overlays import show_labels

if TYPE_CHECKING:
    from napari_contrastseg.session.ink_edits import Changed
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
        active = self._workspace.active or ""
        record = session.records.get(active)
        proposed = record is not None and record.proposal is not None
        shown = self._workspace.registry.shown_of_proposal(active)
        return ReviewState(
            rounds=tuple(r.info.number for r in session.rounds),
            round=session.rounds.current.info.number
            if session.rounds.current
            else None,
            left=sum(len(review.slices_to_review(r)) for r in session.records.values()),
            classes=session.classes,
            thresholds=dict(session.all_thresholds()),
            undo=session.history.last,
            compared=compared,
            compared_words=compared_words,
            shown=shown,
            proposed=proposed,
            suggested=self._workspace.suggested is not None,
            sure_words=sure_words(session, shown, proposed=proposed),
            specks_chosen={
                c.id: c.id in session.without_specks for c in session.classes
            },
            specks_words=self._specks_words(),
        )

    def _specks_words(self) -> str:
        """How much of the active volume's proposal is left out."""
        record = self._workspace.session.records.get(self._workspace.active or "")
        count = len(record.specks) if record is not None else 0
        return f"{plural(count, 'voxel')} of specks left out." if count else ""

    def accept_slice(self) -> None:
        """Accept a suggestion, or what is on the screen of the shown slice."""
        if self._workspace.suggested is not None:
            self._workspace.suggested.accept()
            return
        with notify_errors():
            volume_id, index = self._workspace.need_shown_slice()
            shown = self._shown()
            changed = review.accept_slice(
                self._workspace.session, volume_id, index, shown
            )
            notify_info(accepted_words(index, changed, shown))

    def accept_component(self, through: bool = False) -> None:
        """Accept the piece under the cursor: on the slice, or through the volume."""
        with notify_errors():
            where = self._under_cursor()
            _say(
                "Accepted",
                review.accept_component(
                    self._workspace.session, *where, through=through
                ),
            )

    def reject_component(self, through: bool = False) -> None:
        """Reject the piece under the cursor: on the slice, or through the volume.

        A suggestion comes first.
        """
        if self._workspace.suggested is not None:
            self._workspace.suggested.reject()
            return
        with notify_errors():
            where = self._under_cursor()
            _say(
                "Rejected",
                review.reject_component(
                    self._workspace.session, *where, through=through
                ),
            )

    def reject_slice(self) -> None:
        """Reject a suggestion, or what is proposed on the shown slice."""
        if self._workspace.suggested is not None:
            self._workspace.suggested.reject()
            return
        with notify_errors():
            self._shown()
            where = self._workspace.need_shown_slice()
            _say("Rejected", review.reject_slice(self._workspace.session, *where))

    def accept_class(self, class_id: int, through: bool = False) -> None:
        """Accept what is shown of a class: on the slice, or through the volume."""
        with notify_errors():
            chosen, shown = _a_class(class_id), self._shown()
            volume_id, index = self._workspace.need_shown_slice()
            _say(
                "Accepted",
                review.accept_class(
                    self._workspace.session,
                    volume_id,
                    chosen,
                    shown,
                    None if through else index,
                ),
            )

    def reject_class(self, class_id: int, through: bool = False) -> None:
        """Reject what is proposed as a class: on the slice, or through the volume."""
        with notify_errors():
            chosen = _a_class(class_id)
            self._shown()
            volume_id, index = self._workspace.need_shown_slice()
            _say(
                "Rejected",
                review.reject_class(
                    self._workspace.session,
                    volume_id,
                    chosen,
                    None if through else index,
                ),
            )

    def show(self, wanted: review.Layer | None) -> None:
        """Show all of the active volume's proposal, only what is sure, or nothing."""
        if self._workspace.active is not None:
            self._workspace.registry.show_of_proposal(self._workspace.active, wanted)

    def leave_out_specks(self, class_id: int, left_out: bool) -> None:
        """Leave out, or show, the specks of a class; -1: of all classes."""
        session = self._workspace.session
        ids = [c.id for c in session.classes] if class_id < 0 else [class_id]
        with notify_errors():
            session.leave_out_specks(ids, left_out=left_out)

    def move_threshold(self, class_id: int, value: float) -> None:
        """Set a threshold (-1: all) and show it on this slice at once."""
        ids = self._workspace.session.all_thresholds() if class_id < 0 else [class_id]
        with notify_errors():
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
            show_labels(
                registry, volume_id, "difference", found.difference, DIFFERENCE_COLOURS
            )
            agree = ", ".join(
                f"{session.class_name(i)} {d:.3f}" for i, d in found.dice.items()
            )
            words = (
                f"differs in {100 * found.share:.1f} % of the voxels. Magenta: only "
                f"round {number} has a class there; green: only round {mine.round}; "
                f"cyan: another class. Dice between them: "
                f"{agree or 'no class predicted'}"
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

    def _shown(self) -> review.Layer:
        """Return what of the proposal is on the screen.

        Raises
        ------
        InputError
            Nothing is: it is hidden.
        """
        volume_id, _ = self._workspace.need_shown_slice()
        shown = self._workspace.registry.shown_of_proposal(volume_id)
        if shown is None and self._workspace.session.records[volume_id].proposal:
            raise InputError(
                "Nothing changed: the proposal is hidden; Q shows it again, as does "
                "'show' in step Review."
            )
        return shown or "prediction"  # the session says that there is no proposal

    def _under_cursor(self) -> tuple[str, tuple[int, ...], review.Layer]:
        shown = self._shown()
        volume_id, _ = self._workspace.need_shown_slice()
        return volume_id, self._workspace.under_mouse(volume_id), shown


def _say(what: str, changed: Changed) -> None:
    """Say how much was accepted or rejected."""
    if changed.voxels:
        notify_info(f"{what} {changed.words}.")
    else:
        notify_info(
            "Nothing changed: all of that is labelled or rejected already, or locked."
        )


def _a_class(class_id: int) -> int:
    if class_id <= 0:
        raise InputError("Choose a class beside 'confidence over' first.")
    return class_id
