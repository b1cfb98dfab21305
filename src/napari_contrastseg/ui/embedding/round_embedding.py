"""The map and the queue of a round that came without: from a file, or cut short."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_contrastseg.session.freeze import FrozenVolumes
from napari_contrastseg.tasks.drive import Failed
from napari_contrastseg.tasks.round import Embedded, EmbedRequest, SlicesScored, embed
from napari_contrastseg.tasks.watch import FeatureProbe
from napari_contrastseg.ui.notify import notify_error, notify_errors
from napari_contrastseg.ui.worker import TaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.session.rounds import Round
    from napari_contrastseg.ui.data.controller import Controller


class RoundMap(QObject):
    """Tells the embedding of the current round, and makes it where there is none.

    Signals
    -------
    embedded : (round number, Embedded)
    """

    embedded = Signal(int, object)

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self._controller = controller
        self.watch: Callable[[], FeatureProbe] = FeatureProbe
        self.runner = TaskRunner(self)
        self.runner.event.connect(self._on_event)
        self.runner.ended.connect(self._on_ended)
        self._round: Round | None = None
        self._again = False
        controller.proposals_shown.connect(self.show)
        controller.session_replaced.connect(self.show)

    def show(self) -> None:
        """Tell of the current round, now or when it is embedded."""
        session = self._controller.session
        current = session.rounds.current
        self._again = False
        if current is None or not session.records:
            self.runner.cancel()
        elif current.embedding is not None:
            self.embedded.emit(current.info.number, current.embedding)
        elif self._controller.is_busy():
            return  # a person's task comes first; its end asks again
        elif self.runner.running:
            self._again = True
            self.runner.cancel()
        else:
            with notify_errors():
                found = {
                    name: (p.prediction, p.confidence)
                    for name, p in current.proposals.items()
                    if name in session.records
                }
                volumes = FrozenVolumes(session)
                asked = EmbedRequest(
                    current.model,
                    volumes,
                    found,
                    session.axis or 0,
                    self.watch(),
                    spare_core=True,
                )
                self._round = current
                self.runner.start(embed(asked))

    def stop(self) -> None:
        """Give way to a person's task."""
        self._again = False
        self.runner.cancel()

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self.runner.close()

    def _on_event(self, event: Any) -> None:
        entry, current = self._round, self._controller.session.rounds.current
        if entry is None:
            return
        if isinstance(event, SlicesScored):
            entry.slices[event.volume_id] = event.scores
            if entry is current:
                self._controller.review.rank()
                self._controller.changed.emit()
        elif isinstance(event, Embedded):
            entry.embedding = event
            if entry is current:
                self.embedded.emit(entry.info.number, event)

    def _on_ended(self, outcome: Any) -> None:
        self.runner.wait()
        self._round = None
        if isinstance(outcome, Failed):
            notify_error(outcome.message)
        if self._again:
            self.show()
