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
from napari_contrastseg.ui.worker import LatestTask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.ui.workspace import Workspace


class FindSimilar(QObject):
    """Shows where a volume looks like one of its voxels, to the network.

    Signals
    -------
    progressed : slices compared, and of how many; 0 of 0 when it is over
    """

    progressed = Signal(int, int)

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self.runner = LatestTask(self)
        self.runner.happened.connect(self._on_slice)
        self.runner.ended.connect(self._on_ended)
        self._name = ""
        self._done = 0
        self._axis = 0
        self._aligned = True  # whether the model's slices are the session's
        self._heat: NDArray[np.uint8] = np.zeros((0, 0, 0), np.uint8)
        workspace.session_closing.connect(self.stop)

    def under_cursor(self) -> None:
        """Compare with the voxel under the cursor."""
        with notify_errors():
            name = self._workspace.need_active()
            self.find(name, self._workspace.under_mouse(name))

    def find(self, volume_id: str, voxel: tuple[int, ...]) -> None:
        """Compare a volume with one of its voxels, the shown slice first."""
        with notify_errors():
            session = self._workspace.session
            current, record = session.rounds.current, session.records[volume_id]
            shape = record.volume.shape
            if current is None:
                raise InputError("No network has learned yet; run a round first.")
            if not all(0 <= i < n for i, n in zip(voxel, shape, strict=True)):
                raise InputError(f"Point at a voxel of {volume_id} first.")
            if volume_id != self._workspace.active:
                self._workspace.go_to(voxel[record.axis], volume_id)
            self._name = volume_id
            self._axis = record.volume.axis_of(current.model.card.input.axis)
            self._aligned = self._axis == record.axis
            self._heat = np.zeros(shape, np.uint8)
            show_heat(self._workspace.registry, volume_id, self._heat)
            here = self._workspace.current_slice
            first = here if self._aligned else voxel[self._axis]
            asked = SimilarRequest(current.model, record.volume, voxel, first)
            self._done = 0
            self.progressed.emit(0, shape[self._axis])
            self.runner.start(similar(asked))

    def stop(self) -> None:
        """Leave the heat map as it is."""
        self.runner.cancel()

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self.runner.close()

    def _on_slice(self, event: Any) -> None:
        layer = self._workspace.registry.layer(self._name, "similarity")
        if layer is None:
            self.runner.cancel()  # its layer was closed
        if layer is None or not isinstance(event, SimilarSlice):
            return
        slices = np.moveaxis(self._heat, self._axis, 0)
        slices[event.index] = event.similarity
        self._done += 1
        self.progressed.emit(self._done, len(slices))
        if not self._aligned or event.index == self._workspace.current_slice:
            layer.refresh()

    def _on_ended(self, outcome: Any) -> None:
        self.runner.wait()
        if isinstance(outcome, Failed):
            notify_error(outcome.message)
        if not self.runner.replaced:
            self.progressed.emit(0, 0)
