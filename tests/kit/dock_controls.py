"""What a person sees of the dock: all of it opened, its controls, words cut short."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pyqtgraph import PlotWidget
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QTabBar,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from napari_contrastseg.session.mask_values import (
    AS_BACKGROUND,
    AS_IGNORED,
    KnownClasses,
    MaskValue,
)
from napari_contrastseg.ui.data.cohort_state import CaseRow, CohortState
from napari_contrastseg.ui.data.mask_form import MaskQuestion
from napari_contrastseg.ui.data.slice_strip import SliceStrip
from napari_contrastseg.ui.widgets.fold import Fold
from napari_contrastseg.ui.widgets.notice import unfinished_notice

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTROLS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLabeledDoubleSlider,
    QLineEdit,
    QProgressBar,
    PlotWidget,
    SliceStrip,
)
#: Controls that Qt or superqt made of parts, which speak for these.
WHOLES = (
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QLabeledDoubleSlider,
    QLineEdit,
    QTabBar,
    PlotWidget,
)
#: Pixels beside the words: napari's padding, an indicator.
BESIDE = {QPushButton: 8, QCheckBox: 21, QLabel: 2}


def open_everything(widget: Any) -> None:
    """Show what is shown at times only."""
    cases = tuple(CaseRow(f"case {number}") for number in range(9))
    values = (MaskValue(0, 10**6, AS_BACKGROUND), MaskValue(255, 10**5, AS_IGNORED))
    known = KnownClasses(widget.workspace.session.classes)
    state = replace(
        widget.data.value(),
        cohort=CohortState(cases, active="case 1", note="Two cases were left out."),
        mask=MaskQuestion("mask of phantom_001", "Look at it.", values, known),
        voxel_size=(2.0, 1.0, 1.0),
    )
    widget.data.setValue(state)
    widget.notice.setValue(unfinished_notice("stopped after 12 steps"))
    for fold in widget.findChildren(Fold):
        fold.unfold()


def controls(*roots: QWidget) -> Iterator[QWidget]:
    """What a person clicks on, drags or types into; not the parts it is made of."""
    for root in roots:
        for found in root.findChildren(QWidget):
            parent, parts = found.parentWidget(), False
            while parent is not None and parent is not root:
                parts = parts or isinstance(parent, WHOLES)
                parent = parent.parentWidget()
            scrolls = found.objectName().startswith("qt_scrollarea")
            bar = isinstance(found, QAbstractSlider) and _in_scroll_area(found)
            if isinstance(found, CONTROLS) and not (parts or scrolls or bar):
                yield found


def _in_scroll_area(found: QWidget) -> bool:
    holder = found.parentWidget()
    return holder is not None and holder.objectName().startswith("qt_scrollarea")


def name_of(widget: QWidget) -> str:
    text = getattr(widget, "text", str)
    return f"{type(widget).__name__} {widget.accessibleName()!r} {text()!r}"


def cut_words(widget: QWidget) -> str:
    """Words that a widget has too little room for; "" for none."""
    if not widget.isVisible():
        return ""
    if isinstance(widget, QTabBar):
        metrics = widget.fontMetrics()
        every = ((widget.tabText(i), widget.tabRect(i)) for i in range(widget.count()))
        return ", ".join(
            t for t, r in every if metrics.horizontalAdvance(t) > r.width()
        )
    beside = next((room for k, room in BESIDE.items() if isinstance(widget, k)), None)
    text = str(getattr(widget, "text", str)()) if beside is not None else ""
    if isinstance(widget, QLabel) and widget.wordWrap():
        fits = widget.height() >= widget.heightForWidth(widget.width())
        return "" if fits else text
    if beside is None:
        return ""
    room = widget.width() - beside
    return text if widget.fontMetrics().horizontalAdvance(text) > room else ""
