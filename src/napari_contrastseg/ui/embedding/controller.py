"""Which frame of the map is shown, and what is known of its voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_contrastseg.insight.map_history import EmbeddingFrame, Recording
from napari_contrastseg.insight.silhouettes import LabelIssue, possibly_mislabelled
from napari_contrastseg.tasks.voxels import Described, describe
from napari_contrastseg.ui.embedding.dock import EmbeddingState
from napari_contrastseg.ui.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_contrastseg.ui.workspace import Workspace

#: Milliseconds in which several changes of labels are answered once.
SETTLE_MS = 40


class EmbeddingController(QObject):
    """Records frames, and says what the embedding dock shows.

    Signals
    -------
    state_changed : EmbeddingState
    """

    state_changed = Signal(object)

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self.recording = Recording()
        self._frame: EmbeddingFrame | None = None
        self._about: Described | None = None
        self._all_issues: list[LabelIssue] = []
        self._issues: tuple[LabelIssue, ...] = ()  # that nobody has mended
        self._curve: tuple[EmbeddingFrame, ...] = ()
        self._earlier: tuple[tuple[int, float], ...] = ()
        self._at = 0  # of the recording's frames, the one at the slider
        self._frozen = self._visible = False
        self._outdated = True
        self._soon = single_shot(self._follow_labels, SETTLE_MS, self)
        workspace.labels_changed.connect(self._on_labels)
        workspace.session_closing.connect(self.forget)

    def state(self) -> EmbeddingState:
        """Return what the dock shows."""
        return EmbeddingState(
            frame=self._frame,
            about=self._about,
            issues=self._issues,
            classes=self._workspace.session.classes,
            curve=self._curve,
            earlier=self._earlier,
            frames=len(self.recording.frames),
            at=self._at,
            frozen=self._frozen,
        )

    def add(self, frame: EmbeddingFrame, keep: bool = True) -> None:
        """Show a frame, unless the map is frozen; `keep` it in the recording."""
        if keep:
            follow = self._at == self._last and not self._frozen
            self.recording.add(frame)
            self._at = self._last if follow else min(self._at, self._last)
        if not self._frozen:
            self._take(frame)
        self.state_changed.emit(self.state())

    def freeze(self, frozen: bool) -> None:
        """Hold the frame that is shown, or go on with the last one."""
        self._frozen = frozen
        if not frozen and self.recording.frames:
            self._at = self._last
            self._take(self.recording.frames[-1])
        self.state_changed.emit(self.state())

    def show_frame(self, at: int) -> None:
        """Show a frame of the recording, and hold it unless it is the last."""
        if 0 <= at < len(self.recording.frames):
            self._at, self._frozen = at, at < self._last
            self._take(self.recording.frames[at])
        self.state_changed.emit(self.state())

    def set_visible(self, visible: bool) -> None:
        """Follow changes of labels as long as somebody looks."""
        self._visible = visible
        if visible:
            self._soon.start()

    def forget(self) -> None:
        """Another session comes: nothing of this one's is shown."""
        self.recording = Recording()
        self._frame = self._about = None
        self._all_issues, self._issues = [], ()
        self._at, self._frozen = 0, False
        self.state_changed.emit(self.state())

    def close(self) -> None:
        """Wait for nothing any more."""
        self._soon.stop()

    @property
    def _last(self) -> int:
        return max(0, len(self.recording.frames) - 1)

    def _take(self, frame: EmbeddingFrame) -> None:
        """Show a frame; most share their voxels or scores with the one before."""
        before, self._frame = self._frame, frame
        if before is None or before.scores is not frame.scores:
            self._take_scores(frame)
        if before is None or before.table.position is not frame.table.position:
            self._describe(frame)

    def _take_scores(self, frame: EmbeddingFrame) -> None:
        session = self._workspace.session
        records = (session.records.get(name) for name in frame.table.names)
        axes = [0 if record is None else record.axis for record in records]
        issues = possibly_mislabelled(frame.table, frame.scores, axes)
        self._all_issues, self._issues = issues, _open(issues, self._about)
        self._curve = tuple(self.recording.curve())
        self._earlier = tuple(
            (r.info.number, float(np.mean(list(r.info.silhouette.values()))))
            for r in session.rounds
            if r.info.silhouette
        )

    def _describe(self, frame: EmbeddingFrame) -> None:
        self._about = describe(self._workspace.session, frame.table)
        self._issues = _open(self._all_issues, self._about)

    def _on_labels(self) -> None:
        self._outdated = True
        self._soon.start()

    def _follow_labels(self) -> None:
        if self._outdated and self._visible:
            self._outdated = False
            if self._frame is not None:
                self._describe(self._frame)
                self.state_changed.emit(self.state())


def _open(
    issues: Iterable[LabelIssue], about: Described | None
) -> tuple[LabelIssue, ...]:
    """Choose the issues that nobody has mended."""
    if about is None:
        return tuple(issues)
    label = about.label
    return tuple(i for i in issues if (label[list(i.rows)] == i.label).any())
