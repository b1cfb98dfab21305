"""Header of the dock: volume, chosen class, status of the slices, mark done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.data.panel import DataState, alike
from napari_contrastseg.ui.data.slice_strip import WORDS, SliceStrip
from napari_contrastseg.ui.viewer.label_layers import BACKGROUND_COLOUR
from napari_contrastseg.ui.widgets.forms import (
    NARROW,
    NameBox,
    button,
    colour_icon,
    enable,
    explain,
    fill,
    note,
    row,
)

if TYPE_CHECKING:
    from napari_contrastseg.session.classes import Classes

_NARROW = NARROW + "QPushButton { padding: 4px; }"
_MAP, _NEW = "Map", "Map *"
_MARK = "Mark done  D"
_MAP_TIP = "Open the map of voxels (t-SNE) and silhouettes, beside this dock"


class HeaderPanel(QWidget):
    """Shows of a `DataState` what every step needs; it is always on the screen."""

    volume_chosen = Signal(str)
    class_chosen = Signal(int)
    slice_chosen = Signal(int)
    done_requested = Signal()
    map_requested = Signal()
    help_requested = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = DataState()
        self.volume = NameBox(of_files=True)
        explain(self.volume, "The volume that is worked on", "volume")
        self.volume.activated.connect(self._choose_volume)
        self.classes = NameBox()
        explain(self.classes, "The chosen class: what the brush paints", "class")
        self.classes.activated.connect(self._choose_class)
        self.map_button = button(_MAP, _MAP_TIP, self.map_requested.emit)
        self.help = QPushButton("?")
        self.help.setCheckable(True)
        explain(self.help, "List the keys; the tutorial and the tour", "help")
        self.help.toggled.connect(self.help_requested)
        self.strip = SliceStrip()
        self.strip.clicked.connect(self.slice_chosen)
        self.slice_text = note()  # it wraps: many slices would make the dock wide
        self.done = button(
            _MARK,
            "All of this slice is labelled: what is not painted is background",
            self.done_requested.emit,
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.setSpacing(3)
        for made in (self.volume, self.classes, self.map_button, self.help):
            made.setStyleSheet(_NARROW)
        chosen = QHBoxLayout()
        chosen.setSpacing(4)
        chosen.addWidget(self.volume, 3)
        chosen.addWidget(self.classes, 2)
        chosen.addWidget(self.map_button)
        chosen.addWidget(self.help)
        layout.addLayout(chosen)
        layout.addWidget(self.strip)
        layout.addWidget(row(self.slice_text, self.done, stretch=0))
        self._show_classes(())
        self._show_slices(self._state)
        self._enable(self._state)

    def value(self) -> DataState:
        """Return what is shown."""
        return self._state

    def setValue(self, state: DataState) -> None:  # noqa: N802
        """Show a state; what has not changed is left alone."""
        old, self._state = self._state, state
        fill(self.volume, state.volumes, state.active)
        if old.classes != state.classes:
            self._show_classes(state.classes)
        self.classes.setCurrentIndex(self.classes.findData(state.paint_class))
        same = alike(old.status, state.status) and alike(old.locked, state.locked)
        if not same:
            self._show_slices(state)
        elif (old.current, old.opened) != (state.current, state.opened):
            self._show_current(state)
        if bool(old.volumes) != bool(state.volumes):
            self._enable(state)

    def setCurrent(self, index: int) -> None:  # noqa: N802
        """Show that another slice is shown."""
        self._state = replace(self._state, current=index)
        self._show_current(self._state)

    def show_new_map(self, new: bool) -> None:
        """Say at the button that the map has something new, or that it was seen."""
        self.map_button.setText(_NEW if new else _MAP)
        tip = f"There is a new map. {_MAP_TIP}" if new else _MAP_TIP
        self.map_button.setToolTip(tip)

    def _show_classes(self, classes: Classes) -> None:
        self.classes.clear()
        for entry in classes:
            self.classes.addItem(colour_icon(entry.colour), entry.name, entry.id)
            key = f"key {entry.key}" if entry.key else "it has no key"
            self._explain_last(f"{entry.name}; {key}")
        self.classes.addItem(colour_icon(BACKGROUND_COLOUR), "background", BACKGROUND)
        self._explain_last("background; key Alt+0")

    def _explain_last(self, words: str) -> None:
        role = Qt.ItemDataRole.ToolTipRole
        self.classes.setItemData(self.classes.count() - 1, words, role)

    def _enable(self, state: DataState) -> None:
        nothing = None if state.volumes else "Add a volume first"
        for widget in (self.volume, self.classes, self.done):
            enable(widget, nothing)

    def _show_slices(self, state: DataState) -> None:
        """Show the strip."""
        nothing = np.zeros(0, np.uint8)
        self.strip.setValue(nothing if state.status is None else state.status)
        self.strip.setLocked(nothing if state.locked is None else state.locked)
        self._show_current(state)

    def _show_current(self, state: DataState) -> None:
        """Show which slice is shown, and its status."""
        self.strip.setCurrent(state.current)
        if state.status is None or not len(state.status):
            self.slice_text.setText("")
            self.done.setText(_MARK)
            return
        now = Status(int(state.status[min(state.current, len(state.status) - 1)]))
        finished = int((state.status == Status.DONE).sum())
        words = WORDS[now].split(":")[0]
        if state.opened:
            words = f"slice {state.current}: {words}; {finished} done"
        else:
            words = f"its layers are closed; {finished} done"
        self.slice_text.setText(words)
        self.done.setText("Not done  D" if now == Status.DONE else _MARK)

    def _choose_volume(self, index: int) -> None:
        self.volume_chosen.emit(self._state.volumes[index])

    def _choose_class(self, index: int) -> None:
        self.class_chosen.emit(int(self.classes.itemData(index)))
