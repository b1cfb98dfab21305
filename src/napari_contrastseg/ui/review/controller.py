"""Reviewing in the window: accept, reject, thresholds, what to look at next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.query.strategy import Suggestion
from napari_contrastseg.session import review
from napari_contrastseg.session.rounds import compare
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.review_queue import review_order
from napari_contrastseg.ui.notify import notify_errors, notify_info
from napari_contrastseg.ui.review.panel import ReviewState
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.viewer.overlays import show_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_contrastseg.insight.slice_scores import Reliability
    from napari_contrastseg.ui.workspace import Workspace

#: Milliseconds after the last move of a threshold until all slices follow.
SETTLE_MS = 250


class ReviewController(QObject):
    """The intents of step Review, for the volume and slice that are shown."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self.queue: list[Suggestion] = []
        self.trust: Reliability | None = None
        self._seen: list[tuple[str, int]] = []
        self._compared: tuple[str, int, int, str] | None = None
        self._settle = single_shot(self.refresh_all, SETTLE_MS, self)
        self._done: dict[str, bytes] = {}
        self._later = single_shot(self.rank_now, SETTLE_MS, self)
        workspace.proposals_shown.connect(self.rank)
        workspace.labels_changed.connect(self._on_labels)
        workspace.session_closing.connect(self._forget)
        workspace.session_replaced.connect(self.rank)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._settle.stop()
        self._later.stop()

    def _on_labels(self) -> None:
        """Rank again, a moment later, when others are done than before."""
        done = self._all_done()
        if done != self._done and self._workspace.session.rounds.current is not None:
            self._done = done
            self._later.start()

    def _all_done(self) -> dict[str, bytes]:
        records = self._workspace.session.records
        return {n: (r.status == Status.DONE).tobytes() for n, r in records.items()}

    def rank_now(self) -> None:
        """Rank, and show it."""
        self.rank()
        self._workspace.changed.emit()

    def _forget(self) -> None:
        """Another session comes: nothing of this one's counts."""
        self.queue, self.trust, self._compared = [], None, None
        self._seen.clear()

    def state(self) -> ReviewState:
        """Return what the panel shows."""
        session = self._workspace.session
        compared, compared_words = self.compared
        return ReviewState(
            rounds=tuple(r.info.number for r in session.rounds),
            round=session.rounds.current.info.number
            if session.rounds.current
            else None,
            left=sum(len(review.slices_to_review(r)) for r in session.records.values()),
            classes=session.classes,
            thresholds=dict(session.all_thresholds()),
            next_words=self.next_words,
            trust_words=self.trust_words,
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
            session, book = self._workspace.session, self._workspace.book
            book.drop(volume_id, "difference")
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
            show_labels(book, volume_id, "difference", found.difference)
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

    def next_suggestion(self) -> Suggestion | None:
        """Give the best suggestion whose slice is still open."""
        for suggestion in self.queue:
            record = self._workspace.session.records.get(suggestion.volume_id)
            if record is not None and record.status[suggestion.index] != Status.DONE:
                return suggestion
        return None

    @property
    def next_words(self) -> str:
        """Which slice comes next, and why; "" for none."""
        found = self.next_suggestion()
        if found is None:
            return ""
        session = self._workspace.session
        several = len(session.records) > 1
        words = f"slice {found.index}" + (f" of {found.volume_id}" if several else "")
        if found.reason == "chosen":
            return f"{words}: chosen on the map"
        if found.reason == "sure":
            return f"{words}: nothing in doubt"
        words += f": edge of {session.class_name(found.class_id)} unsure"
        if math.isfinite(found.dice):
            words += f"; Dice about {found.dice:.2f}"
        return words

    @property
    def trust_words(self) -> str:
        """How far the estimates of Dice were off on slices that were checked."""
        trust = self.trust
        if trust is None or not math.isfinite(trust.off):
            return ""
        return f"on {trust.slices} checked slices it was off by {trust.off:.2f}"

    def put_first(self, slices: Sequence[tuple[str, int]]) -> None:
        """Put open slices, (volume id, number), first in the queue."""
        put = self._put_first(slices)
        words = f"{put} {'slice comes' if put == 1 else 'slices come'} first in the"
        if put:
            notify_info(f"{words} queue; N goes there.")
        else:
            notify_info("All slices of the chosen voxels are done already.")
        self._workspace.changed.emit()

    def _put_first(self, slices: Sequence[tuple[str, int]]) -> int:
        records = self._workspace.session.records
        wanted = [s for s in slices if records[s[0]].status[s[1]] != Status.DONE]
        first = [Suggestion(name, i, 0.0, reason="chosen") for name, i in wanted]
        rest = [s for s in self.queue if (s.volume_id, s.index) not in wanted]
        self.queue = first + rest
        return len(first)

    def go_to_next(self) -> None:
        """Show the slice worth a look; asked again, the one after it."""
        suggestion = self.next_suggestion()
        if suggestion is None:
            notify_info(
                "There is no suggestion; run a round first, or all slices are done."
            )
            return
        here = (self._workspace.active or "", self._workspace.current_slice)
        if here == (suggestion.volume_id, suggestion.index):
            self.queue.remove(suggestion)
            self.queue.append(suggestion)
            suggestion = self.next_suggestion() or suggestion
        self._seen.append(here)
        self._workspace.go_to(suggestion.index, suggestion.volume_id)

    def go_back(self) -> None:
        """Show the slice that was shown before the queue was followed."""
        records = self._workspace.session.records
        while self._seen:
            name, index = self._seen.pop()
            if name in records:
                self._workspace.go_to(index, name)
                return
        notify_info("There is no slice to go back to.")

    def _under_cursor(self) -> tuple[str, tuple[int, ...], review.Layer]:
        volume_id = self._workspace.need_active()
        voxel = self._workspace.book.voxel(
            volume_id, self._workspace.viewer.cursor.position
        )
        pseudo = self._workspace.book.layer(volume_id, "pseudo")
        shown: review.Layer = (
            "pseudo" if pseudo is not None and pseudo.visible else "prediction"
        )
        return volume_id, voxel, shown

    def rank(self) -> None:
        """Line up the slices worth a look, of the current round."""
        session = self._workspace.session
        current = session.rounds.current
        self._done = self._all_done()
        scores = current.slices if current is not None else {}
        found = review_order(session, scores)
        chosen = [(s.volume_id, s.index) for s in self.queue if s.reason == "chosen"]
        self.queue, self.trust = found.suggestions, found.trust
        records = session.records
        still = [
            (n, i) for n, i in chosen if n in records and i < len(records[n].status)
        ]
        self._put_first(still)


def _a_class(class_id: int) -> int:
    if class_id <= 0:
        raise InputError("Choose a class beside 'sure from' first.")
    return class_id
