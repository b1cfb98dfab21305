"""Live proposals in the window: a stroke is answered at once on the shown slice."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QObject

from napari_contrastseg.session.derived import (
    counts_of_sources,
    drop_derived,
    take_slices,
)
from napari_contrastseg.session.sources import LIVE
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.derive import derive_request
from napari_contrastseg.tasks.drive import Failed
from napari_contrastseg.tasks.known_planes import KnownPlanes
from napari_contrastseg.tasks.live_answers import (
    MOST_PIXELS,
    answer_live,
    answer_quickly,
    begin_live,
    is_too_large,
    live_request,
)
from napari_contrastseg.ui.live.stillness import Stillness
from napari_contrastseg.ui.notify import notify_error, notify_info
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.worker import LatestTask

if TYPE_CHECKING:
    from collections.abc import Collection, Generator

    from napari_contrastseg.proposers.live import LiveVolume
    from napari_contrastseg.tasks.derive import Derived, DeriveRequest
    from napari_contrastseg.ui.workspace import Workspace

#: Milliseconds between two looks at whether a stroke is over.
STROKE_MS: Final = 100
#: Milliseconds after which the better answer no longer waits for a pause.
PATIENCE_MS: Final = 1500
#: Volumes whose features stay in memory.
MOST_VOLUMES: Final = 2


class LiveController(QObject):
    """Answers strokes in the shown volume, in two threads of its own.

    One answers the shown slice at once; the other does it better, and goes on with the
    rest of the volume. While the person paints it waits: the next stroke is answered
    instead, and the window would wait for the cores, and for the interpreter.
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._planes: dict[str, KnownPlanes] = {}
        self._volumes: OrderedDict[tuple[str, int], LiveVolume] = OrderedDict()
        self._known: dict[str, bytes] = {}  # what was answered
        self._said: set[str] = set()  # volumes of which it was said why nothing comes
        self._active = workspace.active
        self._under_way: DeriveRequest | None = None
        self._shown = 0  # read by the thread
        self._waiting: list[Derived] = []  # came during a stroke
        self._soon = single_shot(self._begin, parent=self)
        self._after_stroke = single_shot(self._take_waiting, STROKE_MS, self)
        self._answered: set[int] = set()  # slices that have the better answer
        self._next: Generator[Any, None, None] | None = None  # waits for a pause
        self._hand = Stillness(workspace, self)
        self._hand.moved.connect(self._on_moved)
        self._hand.rested.connect(self._go_on)
        self._patience = single_shot(self._go_on, PATIENCE_MS, self)
        self._quick, self._runner = LatestTask(self, awaited=True), LatestTask(self)
        self._quick.happened.connect(self._on_quick)
        self._quick.ended.connect(self._on_quick_ended)
        self._runner.happened.connect(self._on_event)
        self._runner.ended.connect(self._on_ended)
        workspace.work_changed.connect(self._on_work)
        workspace.slice_changed.connect(self._on_slice)
        workspace.changed.connect(self._on_changed)
        workspace.proposals_shown.connect(self._ask)
        workspace.volume_removed.connect(self._forget_volume)
        workspace.session_closing.connect(self._forget)
        workspace.session_replaced.connect(self._ask)

    def close(self) -> None:
        """Stop the threads and wait for them; strokes are answered no more."""
        for timer in (self._soon, self._after_stroke, self._patience):
            timer.stop()
            timer.blockSignals(True)
        self._hand.close()
        self._quick.close()
        self._runner.close()

    @property
    def resting(self) -> bool:
        """Whether all strokes are answered, on all slices."""
        return not (self._under_way or self._waiting or self._soon.isActive())

    def _on_work(self, volume_id: str, slices: Collection[int] | None) -> None:
        if volume_id in self._planes:
            self._planes[volume_id].forget(slices)
        if volume_id == self._workspace.active:
            self._ask()

    def _on_changed(self) -> None:
        """Answer what was painted in another volume, once that is shown."""
        if self._workspace.active != self._active:
            self._active = self._workspace.active
            self._ask()

    def _ask(self) -> None:
        self._soon.start(1)  # napari's own writing is put right before (`brush`)

    def _on_slice(self) -> None:
        self._shown = self._workspace.current_slice

    def _forget_volume(self, volume_id: str) -> None:
        for key in [k for k in self._volumes if k[0] == volume_id]:
            del self._volumes[key]
        self._known.pop(volume_id, None)
        self._said.discard(volume_id)
        self._planes.pop(volume_id, None)
        if self._answers(volume_id):
            self._stop()

    def _forget(self) -> None:
        self._stop()
        self._volumes.clear()
        self._planes.clear()
        self._known.clear()
        self._said.clear()

    def _answers(self, volume_id: str) -> bool:
        """Whether an answer for a volume is under way."""
        return self._under_way is not None and self._under_way.volume.id == volume_id

    def _stop(self) -> None:
        self._quick.cancel()
        self._runner.cancel()
        self._give_up()

    def _give_up(self) -> None:
        """Note that what is under way stays unfinished: it is asked for again."""
        if self._under_way is not None:
            self._known.pop(self._under_way.volume.id, None)
        self._under_way, self._next, self._waiting = None, None, []

    def _begin(self) -> None:
        """Answer what is painted, if it is not answered already."""
        if self._hand.presses:
            self._soon.start(STROKE_MS)
            return
        name, session = self._workspace.active, self._workspace.session
        if name is None:
            return
        planes = self._planes_of(name)
        request = live_request(session, name, planes)
        if request is None:
            self._rest(name)
            self._say_too_large(name)
            return
        digest = planes.digest() + repr((request.axis, request.classes)).encode()
        if digest == self._known.get(name):
            return
        self._give_up()
        self._known[name] = digest
        self._under_way = request
        self._answered.clear()
        self._on_slice()
        live = self._volume(name)
        at_once = answer_quickly(live, request, self._shown)
        self._quick.start(_numbered(request, at_once))
        self._runner.cancel()
        self._next = _numbered(request, answer_live(live, request, self._here))
        self._patience.start()
        if self._hand.is_still:
            self._go_on()

    def _on_moved(self) -> None:
        """Let the better answer wait."""
        if self._patience.isActive():
            self._runner.pause(True)

    def _go_on(self) -> None:
        """Work the better answer out, or go on with it."""
        if self._next is not None:
            self._runner.start(self._next)
            self._next = None
        self._runner.pause(False)

    def _rest(self, name: str) -> None:
        """Show nothing that was answered where the strokes are gone."""
        session = self._workspace.session
        self._known.pop(name, None)
        if self._answers(name):
            self._stop()
        live = LIVE in counts_of_sources(session.records[name])
        if live and derive_request(session, name) is None:
            drop_derived(session, name)

    def _say_too_large(self, name: str) -> None:
        """Say once of a volume why its strokes have no answer."""
        record = self._workspace.session.records[name]
        painted = (record.status != Status.UNTOUCHED).any()
        waits = painted and record.proposal is None
        if waits and name not in self._said and is_too_large(record):
            self._said.add(name)
            notify_info(
                f"{name}: its slices have more than {MOST_PIXELS / 1e6:.0f} million "
                "pixels, so strokes are not answered while you paint; label some, and "
                "run a round in step Learn."
            )

    def _planes_of(self, name: str) -> KnownPlanes:
        record = self._workspace.session.records[name]
        kept = self._planes.get(name)
        if kept is None or kept.record is not record:
            self._planes[name] = kept = KnownPlanes(record)
        return kept

    def _here(self) -> int:
        return self._shown

    def _volume(self, name: str) -> LiveVolume:
        """Give what is left of earlier strokes in a volume."""
        record = self._workspace.session.records[name]
        key = (name, record.axis)
        live = self._volumes.pop(key, None) or begin_live(record)
        self._volumes[key] = live
        while len(self._volumes) > MOST_VOLUMES:
            self._volumes.popitem(last=False)
        return live

    def _on_quick(self, event: Any) -> None:
        request, part = event
        late = self._answered.intersection(part.found.slices.tolist())
        if request is self._under_way and not late:
            self._waiting.append(part)
            self._take_waiting()

    def _on_event(self, event: Any) -> None:
        request, part = event
        if request is self._under_way and part is not None:
            self._answered.update(part.found.slices.tolist())
            self._waiting.append(part)
            self._take_waiting()

    def _take_waiting(self) -> None:
        """Show what came; never in the middle of a stroke."""
        if self._hand.presses:
            self._after_stroke.start()
            return
        parts, self._waiting = self._waiting, []
        session = self._workspace.session
        for part in parts:
            if part.volume_id in session.records:
                take_slices(session, part.volume_id, part.ground, part.found)

    def _on_quick_ended(self, outcome: Any) -> None:
        if not self._quick.replaced:
            self._quick.wait()
        if isinstance(outcome, Failed):
            notify_error(outcome.message)

    def _on_ended(self, outcome: Any) -> None:
        if self._runner.replaced:
            return
        self._runner.wait()
        if isinstance(outcome, Failed):
            notify_error(outcome.message)
        if self._next is None:
            self._under_way = None
            self._workspace.changed.emit()


def _numbered(
    request: DeriveRequest, task: Generator[Derived | None, None, None]
) -> Generator[tuple[DeriveRequest, Derived | None], None, None]:
    """Say of each part what was asked: it may come late."""
    try:
        for part in task:
            yield request, part
    finally:
        task.close()
