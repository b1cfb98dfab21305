"""Find similar: a heat map that grows in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.drive import Failed
from napari_contrastseg.tasks.similar import SimilarRequest, SimilarSlice, similar
from napari_contrastseg.ui.notify import notify_error, notify_errors
from napari_contrastseg.ui.viewer.overlays import show_heat
from napari_contrastseg.ui.worker import TaskRunner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.ui.data.controller import Controller


class FindSimilar(QObject):
    """Shows where a volume looks like one of its voxels, to the network.

    Signals
    -------
    progressed : slices compared, and of how many; 0 of 0 when it is over
    """

    progressed = Signal(int, int)

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self._controller = controller
        self.runner = TaskRunner(self)
        self.runner.event.connect(self._on_slice)
        self.runner.ended.connect(self._on_ended)
        self._next: SimilarRequest | None = None
        self._name = ""
        self._done = 0
        self._axis = 0
        self._aligned = True  # whether the model's slices are the session's
        self._heat: NDArray[np.uint8] = np.zeros((0, 0, 0), np.uint8)
        controller.session_replaced.connect(self.stop)

    def under_cursor(self) -> None:
        """Compare with the voxel under the cursor."""
        with notify_errors():
            name = self._controller.need_active()
            cursor = self._controller.viewer.cursor.position
            self.find(name, self._controller.book.voxel(name, cursor))

    def find(self, volume_id: str, voxel: tuple[int, ...]) -> None:
        """Compare a volume with one of its voxels, the shown slice first."""
        with notify_errors():
            session = self._controller.session
            current, record = session.rounds.current, session.records[volume_id]
            shape = record.volume.shape
            if current is None:
                raise InputError("No network has learned yet; run a round first.")
            if not all(0 <= i < n for i, n in zip(voxel, shape, strict=True)):
                raise InputError(f"Point at a voxel of {volume_id} first.")
            self._name, self._axis = volume_id, current.model.card.input.axis
            self._aligned = self._axis == record.axis
            self._heat = np.zeros(shape, np.uint8)
            show_heat(self._controller.book, volume_id, self._heat)
            same = self._aligned and volume_id == self._controller.active
            first = self._controller.current_slice if same else voxel[self._axis]
            asked = SimilarRequest(current.model, record.volume, voxel, first)
            self._next = asked
            if self.runner.running:
                self.runner.cancel()  # and go on when it has ended
            else:
                self._begin()

    def stop(self) -> None:
        """Leave the heat map as it is."""
        self._next = None
        self.runner.cancel()

    def _begin(self) -> None:
        if self._next is not None:
            asked, self._next = self._next, None
            self._done = 0
            self.runner.start(similar(asked))

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self.runner.close()

    def _on_slice(self, event: Any) -> None:
        if self._next is not None:
            return  # of the voxel before
        layer = self._controller.book.layer(self._name, "similarity")
        if layer is None or not isinstance(event, SimilarSlice):
            self.runner.cancel()  # its layer was closed
            return
        slices = np.moveaxis(self._heat, self._axis, 0)
        slices[event.index] = event.similarity
        self._done += 1
        self.progressed.emit(self._done, len(slices))
        if not self._aligned or event.index == self._controller.current_slice:
            layer.refresh()

    def _on_ended(self, outcome: Any) -> None:
        self.runner.wait()
        if isinstance(outcome, Failed):
            notify_error(outcome.message)
        self.progressed.emit(0, 0)
        self._begin()
