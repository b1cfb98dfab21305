"""Step Data: volumes, slice axis, classes, slice status, session."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_contrastseg.io.plural import plural
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.data.class_table import ClassTable
from napari_contrastseg.ui.data.cohort_panel import CohortPanel
from napari_contrastseg.ui.data.cohort_state import CohortState
from napari_contrastseg.ui.data.mask_form import MaskForm
from napari_contrastseg.ui.data.slice_strip import WORDS, SliceStrip
from napari_contrastseg.ui.data.voxel_size import VoxelSizeForm
from napari_contrastseg.ui.widgets.forms import (
    button,
    enable,
    fill,
    folder_field,
    folder_in,
    row,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.session.classes import Classes
    from napari_contrastseg.ui.data.mask_form import MaskQuestion
    from napari_contrastseg.ui.data.voxel_size import VoxelSize


@dataclass(frozen=True, eq=False)
class DataState:
    """What the panel shows.

    Attributes
    ----------
    images, masks : names of layers that may be added, or taken as ink
    selected : how many of these images are selected in napari's list of layers
    volumes : ids of the session's volumes
    active : id of the volume that is worked on
    axes : names of the slice axes, and of the choice of each volume's coarsest
    paint_class : class to paint with, 255 for background
    status, locked : of every slice of the active volume
    origin : whether the layer of origins is shown
    voxel_size : in mm, of a volume whose file knows no place; else None
    unrelated : whether the active volume's slices are unrelated pictures
    mask : what is to be decided about a mask before it is taken; else None
    cohort : the list of cases
    folder : where the session is kept
    kept : how, in a few words
    recent : folders of sessions that lie in our own folder, latest first
    """

    images: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    selected: int = 0
    volumes: tuple[str, ...] = ()
    active: str | None = None
    axes: tuple[str, ...] = ("axis 0", "axis 1", "axis 2", "coarsest")
    axis: int = 3
    classes: Classes = ()
    paint_class: int = BACKGROUND
    status: NDArray[np.uint8] | None = None
    locked: NDArray[np.uint8] | None = None
    origin: bool = False
    current: int = 0
    voxel_size: VoxelSize | None = None
    unrelated: bool = False
    mask: MaskQuestion | None = None
    cohort: CohortState = field(default_factory=CohortState)
    folder: str = ""
    kept: str = ""
    recent: tuple[str, ...] = ()


class DataPanel(QWidget):
    """Edits a `DataState`; what the person wants goes out as signals."""

    add_requested = Signal(int)
    add_selected_requested = Signal()
    volume_chosen = Signal(str)
    remove_requested = Signal(str)
    axis_chosen = Signal(int)
    voxel_size_chosen = Signal(object)
    unrelated_chosen = Signal(bool)
    slice_chosen = Signal(int)
    done_requested = Signal()
    lock_requested = Signal(bool)
    origin_requested = Signal(bool)
    mask_requested = Signal(int, bool)
    save_requested = Signal(object)
    open_requested = Signal(object)
    new_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = DataState()
        self._size: VoxelSize | None = None
        self.image = QComboBox()
        self.image.setToolTip("Image layers that are not in the session yet")
        self.add = button(
            "+ add volume", "Add this image to the session", self._add_image
        )
        self.add_channels = button(
            "+ selected as channels",
            "Add the image layers selected in napari's layer list as the channels of "
            "one volume",
            self.add_selected_requested.emit,
        )
        self.cohort = CohortPanel()
        self.volume = QComboBox()
        self.volume.setToolTip("The volume that is worked on")
        self.volume.activated.connect(self._choose_volume)
        self.remove = button("remove", "Take this volume out", self._remove)
        self.axis = QComboBox()
        self.axis.setToolTip("Axis along which you label slice after slice")
        self.axis.activated.connect(self.axis_chosen.emit)
        self.count = QLabel()
        self.unrelated = QCheckBox("unrelated")
        self.unrelated.setToolTip(
            "The slices are pictures that have nothing to do with each other: nothing "
            "is interpolated between them, and no neighbours are looked at"
        )
        self.unrelated.clicked.connect(self.unrelated_chosen.emit)
        self.voxel_size = VoxelSizeForm()
        self.voxel_size.chosen.connect(self.voxel_size_chosen)
        self.classes = ClassTable()
        self.strip = SliceStrip()
        self.strip.clicked.connect(self.slice_chosen.emit)
        self.slice_text = QLabel()
        self.done = button(
            "Mark done  D",
            "All of this slice is labelled: what is not painted is background",
            self.done_requested.emit,
        )
        self.lock = QCheckBox("locked")
        self.lock.setToolTip("Nothing changes the labels of a locked slice")
        self.lock.clicked.connect(self.lock_requested.emit)
        self.origin = QCheckBox("show origin")
        self.origin.setToolTip(
            "A layer that shows where each label came from: painted (blue), corrected "
            "(orange) or accepted (green; from interpolation light blue, live yellow, "
            "network with interpolation pink)"
        )
        self.origin.clicked.connect(self.origin_requested.emit)
        self.masks = QComboBox()
        self.masks.setToolTip(
            "A labels layer, or an image of class numbers, with a mask you have"
        )
        self.take_all = button(
            "take, all slices done",
            "Use this mask as your labels, every slice done",
            self._take_all,
        )
        self.take_some = button(
            "only labelled slices",
            "Use this mask as your labels; slices without labels stay untouched",
            self._take_some,
        )
        self.mask_form = MaskForm()
        self.folder = folder_field("folder for the session")
        self.recent = QComboBox()
        self.recent.setToolTip(
            "Open a session that you worked on lately; this one stays in its folder"
        )
        self.recent.activated.connect(self._choose_recent)
        self.kept = QLabel()
        self.kept.setWordWrap(True)
        self.save = button(
            "Save to",
            "Keep the session in this folder from now on; every change is written at "
            "once, so that you need not save",
            self._save,
        )
        self.open = button("Open", "Open the session in this folder", self._open)
        self.new = button(
            "New",
            "Begin an empty session; this one stays in its folder",
            self.new_requested.emit,
        )
        self._lay_out()
        self._show_choices(self._state)
        self._show_slices(self._state)
        self._enable(self._state)

    def _lay_out(self) -> None:
        self._form = form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("image", row(self.image, self.add, stretch=0))
        form.addRow("", self.add_channels)
        form.addRow("cohort", self.cohort.chooser)
        form.addRow(self.cohort)
        form.setRowVisible(self.cohort, False)
        form.addRow("volume", row(self.volume, self.remove, stretch=0))
        form.addRow("slice axis", row(self.axis, self.count, self.unrelated, stretch=0))
        form.addRow("voxel size", self.voxel_size)
        form.addRow("classes", self.classes)
        form.addRow("slices", self.strip)
        form.addRow("", row(self.slice_text, self.done, stretch=0))
        form.addRow("", row(self.lock, self.origin, stretch=0))
        form.addRow("mask", self.masks)
        self._takes = row(self.take_all, self.take_some)
        form.addRow("", self._takes)
        form.addRow(self.mask_form)
        form.addRow("recent", self.recent)
        form.addRow("session", self.folder.native)
        form.addRow("", row(self.save, self.open, self.new))
        form.addRow("", self.kept)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(form)

    def value(self) -> DataState:
        """Return what is shown."""
        return self._state

    def setValue(self, state: DataState) -> None:  # noqa: N802
        """Show a state; what has not changed is left alone."""
        old, self._state = self._state, state
        self._show_choices(state)
        self.cohort.setValue(state.cohort)
        self._form.setRowVisible(self.cohort, bool(state.cohort.rows))
        if old.classes != state.classes:
            self.classes.setValue(state.classes)
        if (old.classes, old.paint_class) != (state.classes, state.paint_class):
            self.classes.choose(state.paint_class)
        same = _alike(old.status, state.status) and _alike(old.locked, state.locked)
        if not same:
            self._show_slices(state)
        elif old.current != state.current:
            self._show_current(state)
        if _usable(old) != _usable(state):
            self._enable(state)
        if old.folder != state.folder:
            self.kept.setToolTip(state.folder)
            if state.folder:
                self.folder.value = Path(state.folder)
        if old.kept != state.kept:
            self.kept.setText(state.kept)
        if old.recent != state.recent:
            self._show_recent(state)

    def setCurrent(self, index: int) -> None:  # noqa: N802
        """Show that another slice is shown."""
        self._state = replace(self._state, current=index)
        self.lock.setChecked(_is_locked(self._state))
        self._show_current(self._state)

    def _show_choices(self, state: DataState) -> None:
        """Show what a person chooses too: the boxes know what they show, `fill` asks.

        A choice that was refused is shown as it was, so the last state is no guide.
        """
        fill(self.image, state.images)
        fill(self.volume, state.volumes, state.active)
        fill(self.axis, state.axes, state.axes[state.axis])
        fill(self.masks, state.masks)
        self._form.setRowVisible(self.voxel_size, state.voxel_size is not None)
        if state.voxel_size is not None and state.voxel_size != self._size:
            self.voxel_size.setValue(state.voxel_size)
        self._size = state.voxel_size
        self._form.setRowVisible(self._takes, state.mask is None)
        self._form.setRowVisible(self.mask_form, state.mask is not None)
        self.mask_form.setValue(state.mask)
        self.origin.setChecked(state.origin)
        self.unrelated.setChecked(state.unrelated)
        self.lock.setChecked(_is_locked(state))

    def _enable(self, state: DataState) -> None:
        nothing = None if state.volumes else "Add a volume first"
        which = "another" if state.volumes else "an"
        why = None if state.images else f"Open {which} image in napari first"
        enable(self.add, why)
        none = None if state.selected else "Select images in napari's layer list first"
        enable(self.add_channels, why or none)
        enable(self.classes.add_button, nothing)
        for widget in (
            self.volume,
            self.remove,
            self.axis,
            self.unrelated,
            self.classes,
            self.save,
            self.new,
            self.lock,
            self.origin,
            self.done,
        ):
            enable(widget, nothing)
        why = nothing or (None if state.masks else "Open a mask in napari first")
        for widget in (self.masks, self.take_all, self.take_some):
            enable(widget, why)
        self._show_recent(state)

    def _show_recent(self, state: DataState) -> None:
        names = tuple(Path(folder).name for folder in state.recent)
        fill(self.recent, ("", *names), self.recent.currentText())
        enable(self.recent, None if names else "There are no earlier sessions yet")

    def _show_slices(self, state: DataState) -> None:
        """Show the strip and how many slices there are."""
        nothing = np.zeros(0, np.uint8)
        status = nothing if state.status is None else state.status
        self.strip.setValue(status)
        self.strip.setLocked(nothing if state.locked is None else state.locked)
        self.count.setText(plural(len(status), "slice") if len(status) else "")
        self._show_current(state)

    def _show_current(self, state: DataState) -> None:
        """Show which slice is shown, and its status."""
        self.strip.setCurrent(state.current)
        if state.status is None or not len(state.status):
            self.slice_text.setText("")
            return
        now = Status(int(state.status[min(state.current, len(state.status) - 1)]))
        finished = int((state.status == Status.DONE).sum())
        words = WORDS[now].split(":")[0]
        self.slice_text.setText(f"slice {state.current}: {words}; {finished} done")
        self.done.setText("Not done  D" if now == Status.DONE else "Mark done  D")

    def _add_image(self) -> None:
        self.add_requested.emit(self.image.currentIndex())

    def _choose_volume(self, index: int) -> None:
        self.volume_chosen.emit(self._state.volumes[index])

    def _remove(self) -> None:
        if self._state.active is not None:
            self.remove_requested.emit(self._state.active)

    def _take_all(self) -> None:
        self.mask_requested.emit(self.masks.currentIndex(), True)

    def _take_some(self) -> None:
        self.mask_requested.emit(self.masks.currentIndex(), False)

    def _choose_recent(self, index: int) -> None:
        if index > 0:
            chosen = Path(self._state.recent[index - 1])
            self.recent.setCurrentIndex(0)
            self.open_requested.emit(chosen)

    def _save(self) -> None:
        self.save_requested.emit(folder_in(self.folder))

    def _open(self) -> None:
        self.open_requested.emit(folder_in(self.folder))


def _usable(state: DataState) -> tuple[object, ...]:
    """Give what decides which controls can be used."""
    return state.images, state.masks, state.volumes, state.selected > 0


def _alike(one: NDArray[np.uint8] | None, other: NDArray[np.uint8] | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)


def _is_locked(state: DataState) -> bool:
    if state.locked is None or not len(state.locked):
        return False
    return bool(state.locked[min(state.current, len(state.locked) - 1)])
