"""Step Data: volumes, slice axis, classes, masks, cohort, session."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_contrastseg.io.plural import plural
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.ui.data.class_table import ClassTable
from napari_contrastseg.ui.data.cohort_panel import CohortPanel
from napari_contrastseg.ui.data.cohort_state import CohortState
from napari_contrastseg.ui.data.mask_form import MaskForm
from napari_contrastseg.ui.data.voxel_size import VoxelSizeForm
from napari_contrastseg.ui.widgets.fold import Fold
from napari_contrastseg.ui.widgets.forms import (
    NameBox,
    button,
    enable,
    explain,
    fill,
    folder_field,
    folder_in,
    note,
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
    opened : whether layers show the active volume
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
    opened: bool = True
    current: int = 0
    voxel_size: VoxelSize | None = None
    unrelated: bool = False
    mask: MaskQuestion | None = None
    cohort: CohortState = field(default_factory=CohortState)
    folder: str = ""
    kept: str = ""
    recent: tuple[str, ...] = ()


class DataPanel(QWidget):
    """Edits a `DataState`, but for what the header shows of it.

    What the person wants goes out as signals.
    """

    add_requested = Signal(int)
    add_selected_requested = Signal()
    remove_requested = Signal(str)
    axis_chosen = Signal(int)
    voxel_size_chosen = Signal(object)
    unrelated_chosen = Signal(bool)
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
        self._make_volumes()
        self._make_slices()
        self._make_masks()
        self._make_session()
        self._lay_out()
        self._show_choices(self._state)
        self._enable(self._state)

    def _make_volumes(self) -> None:
        self.image = NameBox(of_files=True)
        explain(self.image, "Image layers that are not in the session yet", "image")
        self.add = button(
            "+ add volume", "Add this image to the session", self._add_image
        )
        self.add_channels = button(
            "+ selected as channels",
            "Add the image layers selected in napari's layer list as the channels of "
            "one volume",
            self.add_selected_requested.emit,
        )
        self.remove = button("remove volume", "Take this volume out", self._remove)
        self.cohort = CohortPanel()
        self.axis = NameBox()
        explain(self.axis, "Axis along which you label slice after slice", "slice axis")
        self.axis.activated.connect(self.axis_chosen)
        self.count = QLabel()
        self.unrelated = QCheckBox("unrelated")
        explain(
            self.unrelated,
            "The slices are pictures that have nothing to do with each other: nothing "
            "is interpolated between them, and no neighbours are looked at",
            "unrelated",
        )
        self.unrelated.clicked.connect(self.unrelated_chosen)
        self.voxel_size = VoxelSizeForm()
        self.voxel_size.chosen.connect(self.voxel_size_chosen)

    def _make_slices(self) -> None:
        self.classes = ClassTable()
        self.lock = QCheckBox("locked")
        explain(
            self.lock, "Nothing changes the labels of a locked slice", "slice locked"
        )
        self.lock.clicked.connect(self.lock_requested)
        self.origin = QCheckBox("show origin")
        explain(
            self.origin,
            "A layer that shows where each label came from: painted (blue), corrected "
            "(orange) or accepted (green; from interpolation light blue, live yellow, "
            "network with interpolation pink)",
            "show origin",
        )
        self.origin.clicked.connect(self.origin_requested)

    def _make_masks(self) -> None:
        self.masks = NameBox(of_files=True)
        explain(
            self.masks,
            "A labels layer, or an image of class numbers, with a mask you have",
            "mask",
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

    def _make_session(self) -> None:
        self.folder = folder_field(
            "folder for the session", "Where Save to keeps the session, and Open looks"
        )
        self.recent = NameBox(of_files=True)
        explain(
            self.recent,
            "Open a session that you worked on lately; this one stays in its folder",
            "recent sessions",
        )
        self.recent.activated.connect(self._choose_recent)
        self.kept = note()
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

    def _lay_out(self) -> None:
        self._form = form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("image", row(self.image, self.add, stretch=0))
        form.addRow(self.add_channels)
        form.addRow("slice axis", self.axis)
        form.addRow(row(self.unrelated, self.count, self.remove, stretch=1))
        form.addRow("voxel size", self.voxel_size)
        form.addRow(self.classes)
        form.addRow("this slice", row(self.lock, self.origin, stretch=1))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 4, 2, 4)
        layout.setSpacing(4)
        layout.addLayout(form)
        self.mask_fold = Fold("mask", "Take a mask that you have as your labels")
        self.mask_fold.setContent(self._mask_rows())
        self.cohort_fold = Fold("cohort", "A list of many cases, opened one by one")
        self.cohort_fold.setContent(self.cohort)
        self.session_fold = Fold("session", "Where your work is kept; earlier sessions")
        self.session_fold.setContent(self._session_rows())
        self.session_fold.unfold()
        for fold in (self.mask_fold, self.cohort_fold, self.session_fold):
            layout.addWidget(fold)
        layout.addWidget(self.kept)

    def _mask_rows(self) -> QWidget:
        page = QWidget()
        lines = QVBoxLayout(page)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.addWidget(self.masks)
        self._takes = row(self.take_all, self.take_some)
        lines.addWidget(self._takes)
        lines.addWidget(self.mask_form)
        return page

    def _session_rows(self) -> QWidget:
        page = QWidget()
        form = QFormLayout(page)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("recent", self.recent)
        form.addRow("folder", self.folder.native)
        form.addRow("", row(self.save, self.open, self.new))
        return page

    def value(self) -> DataState:
        """Return what is shown."""
        return self._state

    def setValue(self, state: DataState) -> None:  # noqa: N802
        """Show a state; what has not changed is left alone."""
        old, self._state = self._state, state
        self._show_choices(state)
        self.cohort.setValue(state.cohort)
        if state.cohort.rows and not old.cohort.rows:
            self.cohort_fold.unfold()
        if old.classes != state.classes:
            self.classes.setValue(state.classes)
        if (old.classes, old.paint_class) != (state.classes, state.paint_class):
            self.classes.choose(state.paint_class)
        if not alike(old.status, state.status):
            self._show_count(state)
        if _usable(old) != _usable(state):
            self._enable(state)
        self._show_session(old, state)

    def setCurrent(self, index: int) -> None:  # noqa: N802
        """Show that another slice is shown."""
        self._state = replace(self._state, current=index)
        self.lock.setChecked(_is_locked(self._state))

    def _show_choices(self, state: DataState) -> None:
        """Show what a person chooses too: the boxes know what they show, `fill` asks.

        A choice that was refused is shown as it was, so the last state does not help.
        """
        fill(self.image, state.images)
        fill(self.axis, state.axes, state.axes[state.axis])
        fill(self.masks, state.masks)
        self._form.setRowVisible(self.voxel_size, state.voxel_size is not None)
        if state.voxel_size is not None and state.voxel_size != self._size:
            self.voxel_size.setValue(state.voxel_size)
        self._size = state.voxel_size
        self._takes.setVisible(state.mask is None)
        if state.mask is not None and self.mask_form.value() is None:
            self.mask_fold.unfold()
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
            self.remove,
            self.axis,
            self.unrelated,
            self.classes,
            self.save,
            self.new,
            self.lock,
            self.origin,
        ):
            enable(widget, nothing)
        why = nothing or (None if state.masks else "Open a mask in napari first")
        for widget in (self.masks, self.take_all, self.take_some):
            enable(widget, why)
        self._show_recent(state)

    def _show_session(self, old: DataState, state: DataState) -> None:
        """Show where the session is kept; the fold is open while it is empty."""
        if bool(old.volumes) != bool(state.volumes):
            self.session_fold.unfold(not state.volumes)
        if old.folder != state.folder:
            self.kept.setToolTip(state.folder)
            if state.folder:
                self.folder.value = Path(state.folder)
        if old.kept != state.kept:
            self.kept.setText(state.kept)
        if old.recent != state.recent:
            self._show_recent(state)

    def _show_recent(self, state: DataState) -> None:
        names = tuple(Path(folder).name for folder in state.recent)
        fill(self.recent, ("", *names), self.recent.currentText())
        enable(self.recent, None if names else "There are no earlier sessions yet")

    def _show_count(self, state: DataState) -> None:
        """Show how many slices there are."""
        count = 0 if state.status is None else len(state.status)
        self.count.setText(plural(count, "slice") if count else "")

    def _add_image(self) -> None:
        self.add_requested.emit(self.image.currentIndex())

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


def alike(one: NDArray[np.uint8] | None, other: NDArray[np.uint8] | None) -> bool:
    """Whether two arrays, or their absence, are the same."""
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)


def _is_locked(state: DataState) -> bool:
    if state.locked is None or not len(state.locked):
        return False
    return bool(state.locked[min(state.current, len(state.locked) - 1)])
