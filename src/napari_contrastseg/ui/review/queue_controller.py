"""Which slice to look at next: the strategy, the queue, going there and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QObject

from napari_contrastseg.query import DEFAULT, strategy_named
from napari_contrastseg.query.strategy import Suggestion
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.drive import Failed
from napari_contrastseg.tasks.review_queue import (
    Queue,
    queue_request,
    rank,
    rank_by_volume,
)
from napari_contrastseg.ui.notify import notify_error, notify_info
from napari_contrastseg.ui.review.panel import QueueState
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.worker import LatestTask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_contrastseg.insight.slice_scores import Reliability
    from napari_contrastseg.ui.workspace import Workspace

#: Milliseconds after a slice was done until the queue is ranked again.
SETTLE_MS: Final = 250
#: Why a slice comes next, where no class is in doubt.
REASONS: Final = {
    "chosen": "chosen on the map",
    "sure": "nothing in doubt",
    "gap": "far from labelled slices",
    "unlike": "unlike labelled slices",
    "random": "drawn at random",
}


class QueueController(QObject):
    """The slices worth a look, the best first, by the strategy that a person chose.

    Attributes
    ----------
    suggestions : list of Suggestion
        Slices that a person chose on the map come first.
    trust : Reliability or None
        How far to trust the Dice that suggestions expect.
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self.suggestions: list[Suggestion] = []
        self.trust: Reliability | None = None
        self._strategy = strategy_named(DEFAULT)
        self._seen: list[tuple[str, int]] = []
        self._ranked: dict[str, tuple[int, bytes]] = {}
        self._later = single_shot(self.rank_now, SETTLE_MS, self)
        self._waits = False  # for the thread's answer
        self._runner = LatestTask(self)
        self._runner.happened.connect(self._on_event)
        self._runner.ended.connect(self._on_ended)
        workspace.proposals_shown.connect(self.rank)
        workspace.changed.connect(self._on_changed)
        workspace.derived_shown.connect(self._on_derived)
        workspace.session_closing.connect(self._forget)
        workspace.session_replaced.connect(self.rank)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._later.stop()
        self._runner.close()

    def state(self) -> QueueState:
        """Return what the panel shows of the queue."""
        return QueueState(
            self._strategy.name, self.next_words, self.no_next, self.trust_words
        )

    # -- ranking ---------------------------------------------------------------

    def choose_strategy(self, name: str) -> None:
        """Rank by another query strategy from now on."""
        self._strategy = strategy_named(name)
        self.suggestions = [s for s in self.suggestions if s.reason == "chosen"]
        self.rank_now()

    def rank_now(self) -> None:
        """Rank, and show it."""
        self.rank()
        self._workspace.changed.emit()

    def rank(self) -> None:
        """Line up the slices worth a look; where images are read, a thread does it."""
        session = self._workspace.session
        current = session.rounds.current
        self._ranked = self._what_counts()
        scores = current.slices if current is not None else {}
        asked = queue_request(session, scores, self._strategy.name)
        self._waits = self._strategy.needs_features
        if self._waits:
            self._runner.start(rank_by_volume(asked))
        else:
            self._runner.cancel()
            self._line_up(rank(asked))

    def _line_up(self, found: Queue) -> None:
        """Take a new order; what a person chose stays first."""
        chosen = [(s.volume_id, s.index) for s in self.suggestions if _is_chosen(s)]
        self.suggestions, self.trust = found.suggestions, found.trust
        records = self._workspace.session.records
        self._put_first(
            [(n, i) for n, i in chosen if n in records and i < len(records[n].status)]
        )

    def _on_event(self, event: Any) -> None:
        if isinstance(event, Queue) and self._waits:
            self._waits = False
            self._line_up(event)
            self._workspace.changed.emit()

    def _on_ended(self, outcome: Any) -> None:
        self._runner.wait()
        if isinstance(outcome, Failed) and self._waits:
            self._waits = False
            notify_error(outcome.message)
            self._workspace.changed.emit()

    def _on_changed(self) -> None:
        """Rank again, a moment later, when other slices are open than before."""
        counts = self._what_counts()
        if counts != self._ranked:
            self._ranked = counts
            self._later.start()

    def _on_derived(self, *_: object) -> None:
        """Rank again once slices have got other answers than the round's."""
        if self._workspace.session.rounds.current is not None:
            self._later.start()

    def _what_counts(self) -> dict[str, tuple[int, bytes]]:
        """Slice axis of each volume, and which slices are done."""
        records = self._workspace.session.records
        return {
            n: (r.axis, (r.status == Status.DONE).tobytes()) for n, r in records.items()
        }

    def _forget(self) -> None:
        """Another session comes: nothing of this one's counts."""
        self._runner.cancel()
        self._waits = False
        self.suggestions, self.trust = [], None
        self._seen.clear()

    # -- what comes next -------------------------------------------------------

    def next_suggestion(self) -> Suggestion | None:
        """Give the best suggestion whose slice is still open."""
        return next((s for s in self.suggestions if self._is_open(s)), None)

    def _is_open(self, suggestion: Suggestion) -> bool:
        record = self._workspace.session.records.get(suggestion.volume_id)
        if record is None or suggestion.index >= len(record.status):
            return False
        return bool(record.status[suggestion.index] != Status.DONE)

    @property
    def next_words(self) -> str:
        """Which slice comes next, and why; "" for none."""
        found = self.next_suggestion()
        if found is None:
            return ""
        several = len(self._workspace.session.records) > 1
        words = f"slice {found.index}" + (f" of {found.volume_id}" if several else "")
        words += f": {self._why(found)}"
        if _expects_dice(found):
            words += f"; Dice about {found.dice:.2f}"
        return words

    def _why(self, found: Suggestion) -> str:
        if found.reason == "unsure":
            name = self._workspace.session.class_name(found.class_id)
            return f"edge of {name} unsure" if found.class_id else "prediction unsure"
        if found.reason in ("gap", "unlike") and not self._any_done():
            return "no slice is done yet"
        return REASONS[found.reason]

    def _any_done(self) -> bool:
        records = self._workspace.session.records.values()
        return any((r.status == Status.DONE).any() for r in records)

    @property
    def no_next(self) -> str:
        """Why no slice comes next, and what to do; "" where one does."""
        session = self._workspace.session
        if self.next_suggestion() is not None:
            return ""
        if not session.records:
            return "Add a volume in step Data first"
        if all((r.status == Status.DONE).all() for r in session.records.values()):
            return "All slices are done"
        if self._waits:
            return "The slices are being compared"
        if self._strategy.needs_scores and session.rounds.current is None:
            title = self._strategy.title
            return f"Run a round first: its prediction gives the order by {title}"
        return "There is no suggestion yet"

    @property
    def trust_words(self) -> str:
        """How far the estimates of Dice were off on slices that were checked."""
        trust, found = self.trust, self.next_suggestion()
        if trust is None or not math.isfinite(trust.off):
            return ""
        if found is None or not _expects_dice(found):
            return ""
        return f"on {trust.slices} checked slices it was off by {trust.off:.2f}"

    # -- intents ---------------------------------------------------------------

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
        rest = [s for s in self.suggestions if (s.volume_id, s.index) not in wanted]
        self.suggestions = first + rest
        return len(first)

    def go_to_next(self) -> None:
        """Show the slice worth a look; asked again, the one after it."""
        suggestion = self.next_suggestion()
        if suggestion is None:
            notify_info(f"{self.no_next}.")
            return
        here = (self._workspace.active or "", self._workspace.current_slice)
        if here == (suggestion.volume_id, suggestion.index):
            self.suggestions.remove(suggestion)
            self.suggestions.append(suggestion)
            suggestion = self.next_suggestion() or suggestion
        self._seen.append(here)
        self._workspace.go_to(suggestion.index, suggestion.volume_id)
        self._workspace.changed.emit()  # another slice has its reason shown

    def go_back(self) -> None:
        """Show the slice that was shown before the queue was followed."""
        records = self._workspace.session.records
        while self._seen:
            name, index = self._seen.pop()
            if name in records:
                self._workspace.go_to(index, name)
                return
        notify_info("There is no slice to go back to.")


def _is_chosen(suggestion: Suggestion) -> bool:
    return suggestion.reason == "chosen"


def _expects_dice(suggestion: Suggestion) -> bool:
    """Whether the Dice to expect is known, and worth a word."""
    return suggestion.reason == "unsure" and math.isfinite(suggestion.dice)
