"""Bar of decisions about the shown slice: accept, reject, next, undo."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_contrastseg.ui.review.panel import ReviewState, why_no_proposal
from napari_contrastseg.ui.widgets.forms import button, enable

_REJECT, _REJECT_IT = "Reject  Alt+R", "Reject  R"
_NEXT = "Go to the slice worth a look"
_UNDO = "Take back what you did last (Ctrl+Z)"


class ReviewBar(QWidget):
    """Shows of a `ReviewState` what can be done; it is always on the screen."""

    accept_requested = Signal()
    reject_requested = Signal()
    next_requested = Signal()
    undo_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = ReviewState()
        self.accept = button(
            "Accept  A",
            "What is shown of this slice becomes yours. With unsure voxels shown, too, "
            "the slice is done: the rest is background",
            self.accept_requested.emit,
            "accept slice",
        )
        self.reject = button(
            _REJECT,
            "Reject all that is proposed on this slice",
            self.reject_requested.emit,
            "reject slice",
        )
        self.next = button("Next  N", _NEXT, self.next_requested.emit, "next slice")
        self.undo = button("Undo", _UNDO, self.undo_requested.emit)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(3, 2, 3, 4)
        layout.setSpacing(3)
        for made in (self.accept, self.reject, self.next, self.undo):
            layout.addWidget(made)
        self._show(self._state)

    def value(self) -> ReviewState:
        """Return what is shown."""
        return self._state

    def setValue(self, state: ReviewState) -> None:  # noqa: N802
        """Show a state; what has not changed is left alone."""
        old, self._state = self._state, state
        if old != state:
            self._show(state)

    def _show(self, state: ReviewState) -> None:
        nothing = None if state.suggested else why_no_proposal(state)
        self.reject.setText(_REJECT_IT if state.suggested else _REJECT)
        enable(self.accept, nothing)
        enable(self.reject, nothing)
        if state.suggested:
            self.accept.setToolTip("Make the suggestion yours, as one step of undo")
            self.reject.setToolTip("Take the suggestion away; labels stay as they are")
        enable(self.next, state.queue.no_next or None)
        if not state.queue.no_next:
            self.next.setToolTip(f"{_NEXT}: {state.queue.next_words}")
        undo = "box or click" if state.suggested else state.undo
        enable(self.undo, None if undo else "There is nothing to undo")
        if undo:
            self.undo.setToolTip(f"Undo: {undo} (Ctrl+Z)")
