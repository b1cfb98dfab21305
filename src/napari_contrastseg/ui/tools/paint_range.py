"""Paint only within a range of image values: what the panel says holds strokes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject

from napari_contrastseg.session.editing.value_range import ValueRange, suggested_range
from napari_contrastseg.ui.notify import notify_errors, notify_info

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.tools.panel import ToolsPanel
    from napari_contrastseg.ui.workspace import Workspace


class PaintRange(QObject):
    """Holds strokes to the range of step Tools while that is switched on."""

    def __init__(self, workspace: Workspace, panel: ToolsPanel) -> None:
        super().__init__(workspace)
        self._workspace, self._panel = workspace, panel
        panel.suggest_requested.connect(self.suggest)
        panel.range_changed.connect(self._hold)
        workspace.session_closing.connect(self._forget)

    def close(self) -> None:
        """Let strokes change all voxels again."""
        self._workspace.strokes.held = None

    def toggle(self) -> None:
        """Hold strokes to the range of image values, or no longer."""
        self._panel.in_range.toggle()
        settings = self._panel.value()
        if settings.in_range:
            notify_info(
                f"Strokes change only voxels from {settings.low:g} to "
                f"{settings.high:g}; T ends this."
            )

    def suggest(self) -> None:
        """Take the range of what is painted with the chosen class."""
        with notify_errors():
            workspace = self._workspace
            record = workspace.session.records[workspace.need_active()]
            index, class_id = workspace.current_slice, workspace.paint_class
            found = suggested_range(record, class_id, index, self._channel(record))
            self._panel.change(low=found.low, high=found.high)

    def channel_words(self, record: VolumeRecord | None) -> str:
        """Name the channel whose values count; "" where there is one alone."""
        if record is None or len(record.volume.channels) == 1:
            return ""
        channel = self._channel(record)
        return "colours" if channel is None else record.volume.channels[channel]

    def decimals(self, record: VolumeRecord | None) -> int:
        """Digits after the point that a range of the image's values needs."""
        if record is None:
            return 3
        whole = (np.issubdtype(c.dtype, np.integer) for c in record.volume.data)
        return 0 if all(whole) else 3

    def _forget(self) -> None:
        """Another session comes, with images of other values."""
        self._panel.change(in_range=False, low=0.0, high=0.0)

    def _hold(self) -> None:
        """Hold strokes to what the panel says; without a range to one that is found."""
        if self._panel.value().in_range and not self._is_known:
            self.suggest()
            if not self._is_known:
                self._panel.change(in_range=False)
                return
        in_range = self._panel.value().in_range
        self._workspace.strokes.held = self._within if in_range else None

    @property
    def _is_known(self) -> bool:
        settings = self._panel.value()
        return (settings.low, settings.high) != (0.0, 0.0)

    def _within(
        self, record: VolumeRecord, flat: NDArray[np.int64], values: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Give what of a stroke lies within the range, and say so if it is nothing."""
        settings = self._panel.value()
        low, high = sorted((settings.low, settings.high))
        within = ValueRange(low, high, self._channel(record))
        flat, values = within.refine(record, flat, values)
        if not len(flat):
            notify_info(
                f"Nothing was painted: no image value there lies within {low:g} and "
                f"{high:g}. Press T to paint everywhere again."
            )
        return flat, values

    def _channel(self, record: VolumeRecord) -> int | None:
        """Find the channel that is on top; None where the image is in colours."""
        layers, found = self._workspace.viewer.layers, [(-1, 0)]
        for channel in range(len(record.volume.data)):
            kind = f"image {channel}" if channel else "image"
            layer = self._workspace.registry.layer(record.volume.id, kind)
            if layer is not None and getattr(layer, "rgb", False):
                return None
            if layer is not None and layer.visible and layer in layers:
                found.append((layers.index(layer), channel))
        return max(found)[1]
