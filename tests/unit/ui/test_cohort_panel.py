"""The panel of cases: searched, sorted, used by keyboard, and narrow enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QProgressBar, QWidget

from napari_contrastseg.ui.data.case_table import DICE
from napari_contrastseg.ui.data.cohort_panel import CohortPanel
from napari_contrastseg.ui.data.cohort_state import CaseRow, CaseStatus, CohortState

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

ROWS = (
    CaseRow("alpha", CaseStatus.DONE, 0.9, 1),
    CaseRow("beta", CaseStatus.OPEN),
    CaseRow("gamma", CaseStatus.LABELLED, 0.3, 1),
    CaseRow("delta", CaseStatus.UNTOUCHED, 0.6, 1),
    CaseRow("broken", failed="broken.nii.gz: is damaged; copy it again."),
)
STATE = CohortState(ROWS, active="beta", open=frozenset({"beta"}))


def panel_of(qtbot: QtBot, state: CohortState = STATE) -> CohortPanel:
    panel = CohortPanel()
    qtbot.addWidget(panel)
    panel.setValue(state)
    return panel


def test_cases_are_sorted_by_name_and_with_the_worst_first(qtbot: QtBot) -> None:
    panel = panel_of(qtbot)
    assert panel.value() is STATE
    assert panel.table.order == ("alpha", "beta", "broken", "delta", "gamma")
    worst_first: bool = panel.table.worst_first
    assert not worst_first
    panel.table.sortByColumn(DICE, Qt.SortOrder.AscendingOrder)
    assert panel.table.order == ("broken", "gamma", "delta", "alpha", "beta")
    worst_first = panel.table.worst_first
    assert worst_first
    shown = [panel.table.sorted.index(n, DICE).data() for n in range(5)]
    assert shown == ["failed", "0.30", "0.60", "0.90", ""]
    tip = panel.table.sorted.index(0, DICE).data(Qt.ItemDataRole.ToolTipRole)
    assert tip == ROWS[-1].failed


def test_searching_leaves_the_others_out_of_what_comes_next(qtbot: QtBot) -> None:
    panel = panel_of(qtbot)
    panel.search.setText("TA")
    assert panel.table.order == ("beta", "delta")
    with qtbot.waitSignal(panel.next_requested) as asked:
        panel.next.click()
    assert asked.args == [("beta", "delta"), False]


def test_enter_and_a_double_click_open_a_case(qtbot: QtBot) -> None:
    panel = panel_of(qtbot)
    panel.table.choose("gamma")
    for act in (
        lambda: qtbot.keyClick(panel.table, Qt.Key.Key_Return),
        lambda: panel.table.doubleClicked.emit(panel.table.currentIndex()),
        panel.open.click,
    ):
        with qtbot.waitSignal(panel.open_requested) as opened:
            act()
        assert opened.args == ["gamma"]


def test_a_change_of_one_case_keeps_the_selection(qtbot: QtBot) -> None:
    panel = panel_of(qtbot)
    panel.table.choose("gamma")
    rows = (*ROWS[:2], CaseRow("gamma", CaseStatus.DONE), *ROWS[3:])
    panel.setValue(CohortState(rows, active="beta", open=frozenset({"beta"})))
    assert panel.table.chosen == "gamma"
    assert panel.summary.text() == "2 of 5 cases done, 1 open"


def test_every_control_says_what_it_does_and_the_list_fits_a_narrow_dock(
    qtbot: QtBot,
) -> None:
    rows = [CaseRow(f"{n}", list(CaseStatus)[n % 4]) for n in range(400)]
    panel = panel_of(qtbot, CohortState(tuple(rows), active="3"))
    panel.show()
    kinds = (QAbstractButton, QLineEdit, QComboBox, QProgressBar)
    widgets: list[QWidget] = [w for kind in kinds for w in panel.findChildren(kind)]
    own = [w for w in widgets if w.parent() is not panel.table]
    qts = [w for w in own if isinstance(w.parent(), QLineEdit)]  # the cross in a field
    for widget in {*own} - {*qts} | {panel.table}:
        assert widget.accessibleName() or getattr(widget, "text", str)(), widget
        assert widget.toolTip(), getattr(widget, "text", str)()
    assert panel.minimumSizeHint().width() <= 320


def test_what_is_under_way_can_be_stopped_and_why_not_is_said(qtbot: QtBot) -> None:
    panel = panel_of(qtbot, CohortState(ROWS, why_not="Run a round first"))
    assert not panel.predict.isEnabled()
    assert panel.predict.toolTip() == "Run a round first"
    assert not panel.close_case.isEnabled()
    panel.setValue(CohortState(ROWS, active="beta", progress=0.4))
    assert panel.predict.isHidden()
    assert not panel.cancel.isHidden()
    assert panel.bar.value() == 40
    with qtbot.waitSignal(panel.cancel_requested):
        panel.cancel.click()
