"""List of cases in step Data: open, search, next, done, predict all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from napari_contrastseg.ui.data.case_table import CaseTable
from napari_contrastseg.ui.data.cohort_state import CohortState
from napari_contrastseg.ui.widgets.forms import (
    NARROW,
    button,
    choice,
    enable,
    explain,
    folder_field,
    folder_in,
    note,
    row,
)

if TYPE_CHECKING:
    from pathlib import Path

_TRAINS: Final = (
    "Rounds learn from every case that you labelled here, open or closed, and propose "
    "for those that are open; labels of files count once their case was opened."
)
_INTO: Final = ("the session", "a folder")


class CohortPanel(QWidget):
    """Shows a `CohortState`; what a person wants goes out as signals.

    Attributes
    ----------
    listed : QWidget
        What is about the cases of the folder; hidden while none is chosen.

    Signals
    -------
    cohort_requested : folder or None
    open_requested : case id
    next_requested : (ids in the list's order, whether the worst is on top)
    close_requested : ()
    done_requested : bool
    predict_requested : (whether into a folder, folder or None)
    cancel_requested : ()
    """

    cohort_requested = Signal(object)
    open_requested = Signal(str)
    next_requested = Signal(object, bool)
    close_requested = Signal()
    done_requested = Signal(bool)
    predict_requested = Signal(bool, object)
    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = CohortState()
        self.listed = QWidget()
        self.folder = folder_field(
            "folder of cases",
            "A folder of images, each a case, or a data set with imagesTr and "
            "dataset.json; no image is read before you open it",
        )
        self.open_folder = button(
            "List cases", "List the cases of this folder", self._open_folder
        )
        self.search = QLineEdit()
        self.search.setPlaceholderText("search cases")
        explain(self.search, "Show the cases whose name holds this", "search cases")
        self.search.setClearButtonEnabled(True)
        self.table = CaseTable()
        self.search.textChanged.connect(self.table.search)
        self.table.opened.connect(self.open_requested)
        self.summary = note()  # as wide as there is room
        explain(self.summary, _TRAINS, "progress of the cohort")
        self.open = button(
            "Open", "Open the selected case, beside those that are open", self._open
        )
        self.next = button(
            "Next case  Alt-N",
            "Close this case and open the next that is not done, in the list's order",
            self.ask_next,
        )
        self.close_case = button(
            "Close",
            "Set this case aside: its labels are kept and its memory is freed; its "
            "steps can no longer be undone",
            self.close_requested.emit,
        )
        self.done = QCheckBox("case done")
        explain(
            self.done,
            "You are done with this case: Next case passes it over",
            "case done",
        )
        self.done.clicked.connect(self.done_requested)
        self.into = choice(
            _INTO,
            "The session: what is predicted is shown when you open a case. A folder: a "
            "mask a case, your labels with the rest predicted",
            "where predictions go",
        )
        self.into.setStyleSheet(NARROW)
        self.into.currentIndexChanged.connect(self._show)
        self.out = folder_field(
            "folder for the masks", "A NIfTI mask is written for each case"
        )
        self.predict = button(
            "Predict all",
            "Let the current round's network predict every case, in the background",
            self._predict,
        )
        self.cancel = button(
            "Cancel",
            "Stop after the case that is under way; what is predicted stays",
            self.cancel_requested.emit,
        )
        self.bar = QProgressBar()
        explain(
            self.bar,
            "How many of the cases are predicted",
            "progress of the prediction",
        )
        self.note = note()
        self._lay_out()
        self._show()

    def _lay_out(self) -> None:
        lines = QVBoxLayout(self)
        lines.setContentsMargins(0, 0, 0, 4)
        lines.addWidget(row(self.folder.native, self.open_folder, stretch=0))
        lines.addWidget(self.listed)
        lines = QVBoxLayout(self.listed)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.addWidget(self.search)
        lines.addWidget(self.table)
        lines.addWidget(row(self.summary, self.done, stretch=0))
        lines.addWidget(row(self.open, self.next, self.close_case, stretch=1))
        lines.addWidget(row(QLabel("into"), self.into, self.predict, self.cancel))
        lines.addWidget(self.out.native)
        lines.addWidget(self.bar)
        lines.addWidget(self.note)

    def value(self) -> CohortState:
        """Return what is shown."""
        return self._state

    def setValue(self, state: CohortState) -> None:  # noqa: N802
        """Show a state; what has not changed is left alone."""
        old, self._state = self._state, state
        if state == old:
            return
        if state.rows != old.rows:
            self.table.cases.show(state.rows)
        if state.active is not None and state.active != old.active:
            self.table.choose(state.active)
        self._show()

    def ask_next(self) -> None:
        """Ask for the next case, as the button does."""
        self.next_requested.emit(self.table.order, self.table.worst_first)

    def _show(self) -> None:
        state, running = self._state, self._state.progress is not None
        self.listed.setVisible(bool(state.rows))
        self.summary.setText(state.summary if state.rows else "")
        self.done.setChecked(state.done)
        none = None if state.active is not None else "Open a case first"
        enable(self.close_case, none)
        enable(self.done, none)
        enable(self.predict, state.why_not)
        self.predict.setVisible(not running)
        self.cancel.setVisible(running)
        self.into.setEnabled(not running)
        self.out.native.setVisible(self.into.currentIndex() == 1 and not running)
        self.bar.setVisible(running)
        if state.progress is not None:
            self.bar.setValue(round(100 * state.progress))
        self.note.setText(state.note)
        self.note.setVisible(bool(state.note))

    def _open_folder(self) -> None:
        self.cohort_requested.emit(folder_in(self.folder))

    def _open(self) -> None:
        if self.table.chosen is not None:
            self.open_requested.emit(self.table.chosen)

    def _predict(self) -> None:
        folder: Path | None = folder_in(self.out)
        self.predict_requested.emit(self.into.currentIndex() == 1, folder)
