"""The map and the queue of a round that came without: from a file, or cut short."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_contrastseg.session.freeze import FrozenVolumes
from napari_contrastseg.tasks.drive import Failed
from napari_contrastseg.tasks.feature_probe import FeatureProbe
from napari_contrastseg.tasks.round import Embedded, EmbedRequest, SlicesScored, embed
from napari_contrastseg.ui.notify import notify_error, notify_errors
from napari_contrastseg.ui.worker import LatestTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.session.rounds import Round
    from napari_contrastseg.ui.workspace import Workspace


class RoundMap(QObject):
    """Gives the embedding of the current round, and makes it where there is none.

    Signals
    -------
    embedded : (round number, Embedded)
    scored : ()
        Another volume's slices of the current round can be ranked.
    """

    embedded = Signal(int, object)
    scored = Signal()

    def __init__(
        self, workspace: Workspace, probe: Callable[[], FeatureProbe] = FeatureProbe
    ) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._probe = probe
        self.runner = LatestTask(self)
        self.runner.happened.connect(self._on_event)
        self.runner.ended.connect(self._on_ended)
        self._round: Round | None = None
        workspace.proposals_shown.connect(self.show)
        workspace.session_replaced.connect(self.show)

    def show(self) -> None:
        """Give the current round's embedding, now or when it is made."""
        session = self._workspace.session
        current = session.rounds.current
        if current is None or not session.records:
            self.runner.cancel()
        elif current.embedding is not None:
            if self.runner.replaced:
                self.runner.cancel()  # the round that waited is not shown any more
            self.embedded.emit(current.info.number, current.embedding)
        elif self._workspace.busy:
            return  # a person's task comes first; its end asks again
        elif self._making(current):
            return
        else:
            with notify_errors():
                found = {
                    name: (p.prediction, p.confidence)
                    for name, p in current.proposals.items()
                    if name in session.records
                }
                volumes = FrozenVolumes(session, closed=False)
                asked = EmbedRequest(
                    current.model,
                    volumes,
                    found,
                    self._probe(),
                    spare_core=True,
                )
                self._round = current
                self.runner.start(embed(asked))

    def stop(self) -> None:
        """Give way to a person's task."""
        self.runner.cancel()

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self.runner.close()

    def _making(self, current: Round) -> bool:
        runner = self.runner
        return self._round is current and runner.running and not runner.cancelled

    def _on_event(self, event: Any) -> None:
        entry, current = self._round, self._workspace.session.rounds.current
        if entry is None:
            return
        if isinstance(event, SlicesScored):
            entry.slices[event.volume_id] = event.scores
            if entry is current:
                self.scored.emit()
        elif isinstance(event, Embedded):
            entry.embedding = event
            if entry is current:
                self.embedded.emit(entry.info.number, event)

    def _on_ended(self, outcome: Any) -> None:
        self.runner.wait()
        if isinstance(outcome, Failed):
            notify_error(f"The map was not made. {outcome.message}")
        if not self.runner.replaced:
            self._round = None
