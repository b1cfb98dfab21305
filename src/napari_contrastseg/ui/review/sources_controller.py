"""Derived proposals in the window: made again whenever a slice has been settled."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QGuiApplication

from napari_contrastseg.session.derived import (
    counts_of_sources,
    drop_derived,
    settle_derived,
    take_slices,
    where_from,
)
from napari_contrastseg.session.derived_proposal import DerivedProposal, DerivedSlices
from napari_contrastseg.session.sources import LIVE, NETWORK, Source
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.derive import (
    Derived,
    answer_to,
    best_answer_to,
    derive,
    derive_request,
    look_ahead,
    one_slice,
)
from napari_contrastseg.tasks.drive import Failed
from napari_contrastseg.ui.notify import notify_error
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.worker import LatestTask

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from napari_contrastseg.proposers.proposer import Answer
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.tasks.derive import DeriveRequest
    from napari_contrastseg.tasks.predict import PredictedSlices
    from napari_contrastseg.ui.workspace import Workspace

#: What the window's own thread may work out: so many labelled pixels, each counted for
#: every class, for an answer, and so many of the shown slice; and in how many seconds.
#: A volume for which that was too long twice is left to the thread.
AT_ONCE_LABELLED: Final = 2**16
AT_ONCE_SHOWN: Final = 2**19
AT_ONCE_SECONDS: Final = 0.1
PATIENCE: Final = 2
#: Milliseconds between two looks at whether a stroke is over.
STROKE_MS: Final = 100


@dataclass(frozen=True)
class Labels:
    """Which slices are done, a digest of their labels, and who answers."""

    done: frozenset[int] = frozenset()
    digest: bytes = b""
    live: bool = False

    @classmethod
    def of(cls, session: Session, volume_id: str, *, live: bool) -> Labels:
        """Look at a volume as it is now."""
        record = session.records[volume_id]
        done = np.flatnonzero(record.status == Status.DONE).tolist()
        if not done:
            return cls(live=live)
        found = hashlib.blake2b(repr([c.id for c in session.classes]).encode())
        for index in done:
            found.update(np.ascontiguousarray(record.ink[record.window(index)]).data)
        return cls(frozenset(done), found.digest(), live)


_NOTHING: Final = Labels()


class SourcesController(QObject):
    """Derives the volumes' proposals from their labels, in a thread of its own.

    Parameters
    ----------
    workspace : Workspace
    left_to_others : callable, optional
        Whether a volume of a session is answered by somebody else.

    Signals
    -------
    words_changed : where the shown slice's answer comes from
    """

    words_changed = Signal(str)

    def __init__(
        self,
        workspace: Workspace,
        left_to_others: Callable[[Session, str], bool] = lambda _session, _id: False,
    ) -> None:
        super().__init__(workspace)
        self._workspace, self._left_to_others = workspace, left_to_others
        self._known: dict[str, Labels] = {}  # what was derived from
        self._stale: list[str] = []
        self._under_way: DeriveRequest | None = None
        self._answer: Answer | None = None
        self._pending: set[int] = set()
        self._slow: Counter[str] = Counter()
        self._unfinished: set[str] = set()  # volumes that show part of a prediction
        self._said = ""
        self._waiting: list[Derived] = []  # came during a stroke
        self._soon = single_shot(self._begin, parent=self)
        self._after_stroke = single_shot(self._take_waiting, STROKE_MS, self)
        self._runner = LatestTask(self)
        self._runner.happened.connect(self._on_event)
        self._runner.ended.connect(self._on_ended)
        workspace.work_changed.connect(self._on_work)
        workspace.slice_changed.connect(self._on_slice)
        workspace.slice_changed.connect(self._say)
        workspace.derived_shown.connect(self._say)
        workspace.changed.connect(self._say)
        workspace.proposals_shown.connect(self._ask_all)
        workspace.session_closing.connect(self._forget)
        workspace.session_replaced.connect(self._ask_all)

    def close(self) -> None:
        """Stop the thread and wait for it; nothing is derived any more."""
        for timer in (self._soon, self._after_stroke):
            timer.stop()
            timer.blockSignals(True)
        self._runner.close()

    @property
    def resting(self) -> bool:
        """Whether all that can be derived is shown."""
        busy = self._under_way or self._stale or self._waiting or self._soon.isActive()
        return not busy

    @property
    def words(self) -> str:
        """Where the shown slice's answer comes from."""
        name = self._workspace.active
        if name is None:
            return ""
        index = self._workspace.current_slice
        return where_from(self._workspace.session.records[name], index)

    def _say(self, *_: object) -> None:
        words = self.words
        if words != self._said:
            self._said = words
            self.words_changed.emit(words)

    # -- what is to be derived -------------------------------------------------

    def _on_work(self, volume_id: str, slices: Sequence[int] | None) -> None:
        """Derive again where a slice is done, or was, whose labels have changed.

        And where strokes begin to be answered live, or no longer are.
        """
        session = self._workspace.session
        record, known = session.records[volume_id], self._known.get(volume_id, _NOTHING)
        if (
            slices is not None
            and self._left_to_others(session, volume_id) == known.live
        ):
            done = {i for i in slices if record.status[i] == Status.DONE}
            if not done and known.done.isdisjoint(slices):
                return
        if self._labels(volume_id) != known:
            self._ask(volume_id)

    def _labels(self, volume_id: str) -> Labels:
        session = self._workspace.session
        live = self._left_to_others(session, volume_id)
        return Labels.of(session, volume_id, live=live)

    def _ask(self, volume_id: str) -> None:
        """Derive a volume as soon as what goes on now is over."""
        if volume_id not in self._stale:
            self._stale.append(volume_id)
        self._soon.start(0)

    def _ask_all(self) -> None:
        """Derive every volume again: a round came, or another session."""
        self._stop()
        for volume_id, record in self._workspace.session.records.items():
            if (record.status == Status.DONE).any() or volume_id in self._unfinished:
                self._ask(volume_id)
        self._unfinished.clear()

    def _forget(self) -> None:
        self._stop()
        self._known.clear()
        self._slow.clear()

    def _stop(self) -> None:
        """Take nothing more of what is under way."""
        self._runner.cancel()
        self._under_way = self._answer = None
        self._stale, self._waiting = [], []

    # -- deriving --------------------------------------------------------------

    def _begin(self) -> None:
        """Derive the volume that is shown, or another one that waits for it."""
        if QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton:
            self._soon.start(STROKE_MS)
            return
        name, records = self._workspace.active, self._workspace.session.records
        self._stale = [n for n in self._stale if n in records]
        if name not in self._stale:
            if self._under_way is not None or not self._stale:
                return
            name = self._stale[0]
        self._stale.remove(name)
        if self._under_way is not None and self._under_way.volume.id != name:
            self._stale.append(self._under_way.volume.id)
        self._derive(name)

    def _derive(self, name: str) -> None:
        session = self._workspace.session
        self._known[name] = self._labels(name)
        self._waiting, self._answer = [], None
        left = self._left_to_others(session, name)
        self._under_way = request = None if left else derive_request(session, name)
        if request is None:
            self._runner.cancel()
            others = set(counts_of_sources(session.records[name])) - {LIVE}
            if others and not left:
                drop_derived(session, name)
            if self._stale:
                self._soon.start(0)
            return
        shown = self._workspace.current_slice if name == self._workspace.active else 0
        self._pending = set(request.open_slices(shown))
        self._show_at_once(shown)
        self._runner.start(_numbered(request, shown, self._answer))

    def _show_at_once(self, index: int) -> None:
        """Work a slice out on this thread, if it is quick."""
        request = self._under_way
        if request is None or index not in self._pending:
            return
        name = request.volume.id
        if self._answer is None and request.labelled_pixels > AT_ONCE_LABELLED:
            return
        if request.pixels > AT_ONCE_SHOWN or self._slow[name] >= PATIENCE:
            return
        start = time.perf_counter()
        try:
            self._work_out(request, index)
        except Exception:  # noqa: BLE001  the thread meets it too, and reports it
            self._slow[name] = PATIENCE
        self._slow[name] += time.perf_counter() - start > AT_ONCE_SECONDS

    def _work_out(self, request: DeriveRequest, index: int) -> None:
        self._answer = self._answer or answer_to(request)
        if self._answer is not None:
            found = one_slice(request, self._answer, index)
            self._take(Derived(request.volume.id, request.ground(), found))

    def _on_slice(self) -> None:
        request = self._under_way
        if request is not None and request.volume.id == self._workspace.active:
            self._show_at_once(self._workspace.current_slice)

    # -- a round that is being predicted ----------------------------------------

    def show_predicted(self, event: PredictedSlices) -> None:
        """Show what a round's network says of slices while others follow."""
        session = self._workspace.session
        record = session.records.get(event.volume_id)
        if record is None or record.axis != event.axis:
            return
        numbers = range(len(event.slices))
        said = [n for n in numbers if _says_more(event, n, record)]
        number = session.rounds.next_number
        source = Source(NETWORK, f"round {number}, which is still being predicted")
        found = DerivedSlices(
            event.slices[said], event.labels[said], event.confidence[said], source
        )
        shape = record.volume.shape
        ground = DerivedProposal.on(record.proposal, shape, record.axis)
        self._waiting.append(Derived(event.volume_id, ground, found))
        self._unfinished.add(event.volume_id)
        self._take_waiting()

    def forget_predicted(self) -> None:
        """Go back where a run has ended and its prediction was not finished."""
        if self._unfinished:
            self._known.clear()
            self._ask_all()

    # -- what the thread brings ------------------------------------------------

    def _on_event(self, event: Any) -> None:
        request: DeriveRequest = event[0]
        found = event[1]
        record = self._workspace.session.records.get(request.volume.id)
        is_same = record is not None and record.volume is request.volume
        if request is not self._under_way or not is_same:
            return
        if self._left_to_others(self._workspace.session, request.volume.id):
            self._runner.cancel()  # a stroke came meanwhile
        elif isinstance(found, Derived):
            self._waiting.append(found)
            self._take_waiting()
        else:
            self._answer = found

    def _take_waiting(self) -> None:
        """Show what came; never in the middle of a stroke."""
        if QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton:
            self._after_stroke.start()
            return
        parts, self._waiting = self._waiting, []
        for part in parts:
            self._take(part)

    def _take(self, part: Derived) -> None:
        session = self._workspace.session
        self._pending.difference_update(part.found.slices.tolist())
        if part.volume_id in session.records:
            take_slices(session, part.volume_id, part.ground, part.found)

    def _on_ended(self, outcome: Any) -> None:
        if self._runner.replaced:
            return
        self._runner.wait()
        self._under_way = self._answer = None
        if isinstance(outcome, Failed):
            notify_error(outcome.message)
        if self._stale:
            self._soon.start(0)
        settle_derived(self._workspace.session)
        self._workspace.labels_changed.emit()
        self._workspace.changed.emit()


def _says_more(event: PredictedSlices, number: int, record: VolumeRecord) -> bool:
    """Whether a predicted slice may replace what is shown: nothing replaces nothing."""
    if event.labels[number].any() or record.proposal is None:
        return True
    shown = record.window(int(event.slices[number]))
    return not record.proposal.prediction[shown].any()


def _numbered(
    request: DeriveRequest, shown: int, answer: Answer | None
) -> Generator[tuple[DeriveRequest, Answer | Derived], None, None]:
    """Derive quickly, and then as well as can be."""
    answer = answer or answer_to(request)
    yield from _parts(request, shown, answer)
    if answer is not None:
        for _ in look_ahead(request):
            yield request, answer
    yield from _parts(request, shown, best_answer_to(request))


def _parts(
    request: DeriveRequest, shown: int, answer: Answer | None
) -> Generator[tuple[DeriveRequest, Answer | Derived], None, None]:
    """Derive, and say of each part what was asked: it may come late."""
    if answer is not None:
        yield request, answer
        for part in derive(request, shown, answer):
            yield request, part
