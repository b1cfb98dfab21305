"""Looking for specks in proposals, on a thread, whenever labels or proposals change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from qtpy.QtCore import QObject

from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.worker import LatestTask

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from napari_contrastseg.session.specks import Pieces
    from napari_contrastseg.session.volume_record import Proposal, VolumeRecord
    from napari_contrastseg.ui.workspace import Workspace

#: Milliseconds after the last change of labels until specks are looked for again; where
#: that takes long, so many times as long as it took.
SETTLE_MS: Final = 400
PATIENCE: Final = 5


class _Looked(NamedTuple):
    """How the classes of a proposal hang together."""

    record: VolumeRecord
    proposal: Proposal
    pieces: Mapping[int, Pieces]


class SpecksController(QObject):
    """Keeps what is known of specks in step with labels and proposals.

    Parameters
    ----------
    workspace : Workspace
    others_rest : callable, optional
        Whether no proposal is being worked out: what comes after would not be looked
        at, and a person waits for that.
    """

    def __init__(
        self, workspace: Workspace, others_rest: Callable[[], bool] = lambda: True
    ) -> None:
        super().__init__(workspace)
        self._workspace, self._others_rest = workspace, others_rest
        self._taking = False
        self._began = self._took = 0.0  # seconds
        self._later = single_shot(self._look_at_rest, SETTLE_MS, self)
        self._runner = LatestTask(self)
        self._runner.happened.connect(self._on_event)
        workspace.proposals_shown.connect(self.look)
        workspace.labels_changed.connect(self._on_labels)
        workspace.session_closing.connect(self._forget)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._later.stop()
        self._runner.close()

    def look(self) -> None:
        """Look at all proposals, the active volume's first."""
        self._later.stop()
        session, active = self._workspace.session, self._workspace.active
        proposed = [r for r in session.records.values() if r.proposal is not None]
        proposed.sort(key=lambda record: record.volume.id != active)
        if proposed:
            self._began = time.monotonic()
            self._runner.start(_look(proposed, [c.id for c in session.classes]))

    def _look_at_rest(self) -> None:
        if self._others_rest():
            self.look()
        else:
            self._later.start(SETTLE_MS)

    def _on_labels(self) -> None:
        if not self._taking:
            self._later.start(max(SETTLE_MS, int(PATIENCE * 1000 * self._took)))

    def _on_event(self, looked: _Looked) -> None:
        self._took = time.monotonic() - self._began
        session, name = self._workspace.session, looked.record.volume.id
        record = session.records.get(name)
        if record is not looked.record or record.proposal is not looked.proposal:
            return
        self._taking = True
        try:
            session.take_pieces(name, looked.pieces)
        finally:
            self._taking = False

    def _forget(self) -> None:
        """Another session comes: nothing of this one's counts."""
        self._later.stop()
        self._runner.cancel()


def _look(
    records: Sequence[VolumeRecord], classes: Sequence[int]
) -> Generator[_Looked, None, None]:
    for record in records:
        proposal = record.proposal
        if proposal is not None:
            yield _Looked(record, proposal, record.look_at_pieces(classes))
