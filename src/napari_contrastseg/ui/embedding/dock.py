"""The embedding dock: the map, silhouettes, what looks mislabelled, what is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QMenu,
    QSlider,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_contrastseg.insight.recording import EmbeddingFrame, Recording
from napari_contrastseg.insight.silhouettes import LabelIssue, possibly_mislabelled
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.tasks.voxels import Described, describe
from napari_contrastseg.ui.embedding.colours import COLOURS, class_colours, groups
from napari_contrastseg.ui.embedding.plot import MapPlot
from napari_contrastseg.ui.embedding.silhouette_plots import SilhouettePlots
from napari_contrastseg.ui.widgets.forms import button, choice, enable, fill, note, row

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.session.session import Session

NOTHING = np.zeros(0, np.intp)
MISLABELLED = "possibly mislabelled"
#: Numbers of voxels to choose from.
COUNTS = ("2000", "5000", "10000")
#: The network's maps to choose from: the decoder's last by default.
TAPS = {"last map": None, "bottleneck": "bottleneck"}
#: Side of the shown crop, pixels.
CROP = 112
HELP = (
    "t-SNE of voxels' features: near points look alike to the network; distances "
    "between far groups mean nothing. Drag to lasso, click to go to a voxel, wheel to "
    "zoom, middle button to move, double click to see all; click on the legend to hide."
)


class EmbeddingView(QWidget):
    """Shows shots of the map; what the person wants goes out as signals.

    Signals
    -------
    visible : bool
        Somebody looks, or nobody does any more.
    table_changed : ()
        Rows mean other voxels than before.
    pointed : int
        Row under the mouse, -1 for none.
    went : int
        Row whose voxel to show.
    chosen_changed : (k,) int
        Rows chosen by lasso or from the list.
    class_given : class id, 255 for background
    queue_requested, similar_requested, stop_requested : ()
    count_changed : int
        Voxels on the map, from the next run on.
    tap_changed : str or None
        The network's map that is read, from the next run on.
    export_requested : "png", "svg" or "csv"
    """

    visible = Signal(bool)
    table_changed = Signal()
    pointed = Signal(int)
    went = Signal(int)
    chosen_changed = Signal(object)
    class_given = Signal(int)
    queue_requested = Signal()
    similar_requested = Signal()
    stop_requested = Signal()
    export_requested = Signal(str)
    count_changed = Signal(int)
    tap_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session: Session | None = None
        self.recording = Recording()
        self.shot: EmbeddingFrame | None = None
        self.about: Described | None = None
        self.chosen: NDArray[np.intp] = NOTHING
        self._searching = False
        self.suspects: list[LabelIssue] = []
        self._suspected: list[LabelIssue] = []
        self._listed: list[str] = []
        self._make_controls()
        self._lay_out()
        self._show_chosen()

    def _make_controls(self) -> None:
        self.colour = choice(COLOURS, "What the points' colours mean")
        self.colour.currentIndexChanged.connect(self.redraw)
        self.count = choice(COUNTS, "Voxels on the map, from the next run on")
        self.count.currentTextChanged.connect(self._on_count)
        self.tap = choice(TAPS, "What is read of the network, from the next run on")
        self.tap.currentTextChanged.connect(self._on_tap)
        self.freeze = QToolButton()
        self.freeze.setText("Freeze")
        self.freeze.setCheckable(True)
        self.freeze.setToolTip("Hold this map while training goes on")
        self.freeze.toggled.connect(self._on_freeze)
        self.export = QToolButton()
        self.export.setText("Export \N{BLACK DOWN-POINTING SMALL TRIANGLE}")
        self.export.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.export.setToolTip("Write the map as a picture, or its voxels as a table")
        self.export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.export)
        for name in ("png", "svg", "csv"):
            menu.addAction(name.upper(), self._exporter(name))
        self.export.setMenu(menu)
        self.text = note("The map appears while a network learns.")
        self.map = MapPlot()
        self.map.setToolTip(HELP)
        self.map.hovered.connect(self.pointed)
        self.map.clicked.connect(self.went)
        self.map.lassoed.connect(self.choose)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setToolTip("Frames of all rounds; the right end is now")
        self.slider.setRange(0, 0)
        self.slider.valueChanged.connect(self._on_slider)
        self.plots = SilhouettePlots()
        self.list = QListWidget()
        self.list.setToolTip(
            "Labelled voxels that look more like another class; click to go there"
        )
        self.list.itemClicked.connect(self._on_suspect)
        self.list.itemActivated.connect(self._on_suspect)
        self.crop = QLabel()
        self.crop.setFixedSize(CROP, CROP)
        self.crop.setToolTip("Around the voxel under the mouse")
        self.crop_text = note()
        self.chosen_text = note()
        self.classes = QComboBox()
        self.classes.setToolTip("Class for the chosen voxels")
        self.give = button(
            "Give class", "Paint the chosen voxels; Ctrl+Z takes it back", self._give
        )
        self.queue = button(
            "To the queue",
            "Their slices come first in the queue of step Review",
            self.queue_requested.emit,
        )
        self.clear = button("Clear", "Choose nothing", self._clear)
        self.similar = button(
            "Find similar",
            "Where the volume looks like the voxel that was clicked or chosen first "
            "(S: like the one under the cursor)",
            self._similar,
        )

    def _lay_out(self) -> None:
        left = QVBoxLayout()
        left.addWidget(self.map, 1)
        left.addWidget(self.slider)
        middle = QVBoxLayout()
        middle.addWidget(
            row(QLabel("colour"), self.colour, self.freeze, self.export, stretch=1)
        )
        middle.addWidget(self.text)
        middle.addWidget(row(self.crop, self.crop_text, stretch=1))
        middle.addWidget(self.chosen_text)
        middle.addWidget(row(self.classes, self.give, stretch=0))
        middle.addWidget(row(self.queue, self.similar, self.clear))
        middle.addStretch(1)
        middle.addWidget(
            row(QLabel("voxels"), self.count, QLabel("of"), self.tap, stretch=3)
        )
        self.tabs = QTabWidget()
        self.tabs.addTab(self.plots, "silhouettes")
        self.tabs.addTab(self.list, MISLABELLED)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(left, 4)
        layout.addLayout(middle, 2)
        layout.addWidget(self.tabs, 3)
        self.setMinimumHeight(280)

    # -- shots -----------------------------------------------------------------

    def add(self, shot: EmbeddingFrame, session: Session, *, keep: bool = True) -> None:
        """Show a shot, unless the map is frozen; `keep` it in the recording."""
        self.session = session
        if keep:
            self.recording.add(shot)
            self.slider.blockSignals(True)
            last = self.slider.value() == self.slider.maximum()
            self.slider.setMaximum(max(0, len(self.recording.shots) - 1))
            if last and not self.freeze.isChecked():
                self.slider.setValue(self.slider.maximum())
            self.slider.blockSignals(False)
        if not self.freeze.isChecked():
            self._show(shot)

    def forget(self) -> None:
        """Another session: nothing of the last one is shown."""
        self.recording = Recording()
        self.session = self.shot = self.about = None
        self.slider.setRange(0, 0)
        self.freeze.setChecked(False)
        self.map.draw(np.zeros((0, 2), np.float32), [])
        self._new_rows()
        self.plots.clear()
        self.text.setText("The map appears while a network learns.")

    def _show(self, shot: EmbeddingFrame) -> None:
        assert self.session is not None
        before, self.shot = self.shot, shot
        same = before is not None and before.table.position is shot.table.position
        if same and self.map.items:
            self.map.move_to(shot.layout)
        else:
            self._new_rows()
            self.redraw()
            self.table_changed.emit()
        labelled = int(shot.table.known.sum())
        self.text.setText(
            f"{shot.words}: {len(shot.table)} voxels, {labelled} of them labelled"
        )
        if before is None or before.scores is not shot.scores:
            self.show_scores(shot)

    def _new_rows(self) -> None:
        """Forget which rows were chosen, ringed or pointed at."""
        self.choose(NOTHING)
        self.map.highlight(NOTHING)
        self.map.hover(-1)
        self.show_crop(QPixmap(), "")
        self._suspected = []
        self._show_suspects()

    def redraw(self) -> None:
        """Draw points in their colours, as the session is now."""
        if self.shot is None or self.session is None:
            return
        self.about = describe(self.session, self.shot.table)
        self._show_suspects()
        kind = self.colour.currentText()
        found = groups(kind, self.shot.table, self.about, self.session)
        self.map.draw(self.shot.layout, found)
        self._fill_classes()

    def show_scores(self, shot: EmbeddingFrame) -> None:
        """Show silhouettes, how they went, and what looks mislabelled."""
        session = self.session
        assert session is not None
        names = {k: session.class_name(k) for k in shot.scores.classes}
        self.plots.show_scores(shot.scores, class_colours(session), names)
        earlier = [
            (r.info.number, float(np.mean(list(r.info.silhouette.values()))))
            for r in session.rounds
            if r.info.silhouette
        ]
        self.plots.show_curve(self.recording.curve(), earlier)
        axis = session.axis or 0
        self._suspected = possibly_mislabelled(shot.table, shot.scores, axis)
        self._show_suspects()

    def _show_suspects(self) -> None:
        """List what looks mislabelled, as far as nobody has mended it."""
        self.suspects = [s for s in self._suspected if self._still(s)]
        words = [self._suspect_words(s) for s in self.suspects]
        if words != self._listed:
            self._listed = words
            self.list.clear()
            self.list.addItems(words)
        count = len(self.suspects)
        self.tabs.setTabText(1, f"{MISLABELLED}: {count}" if count else MISLABELLED)

    def _still(self, one: LabelIssue) -> bool:
        about = self.about
        return about is None or bool((about.label[list(one.rows)] == one.label).any())

    def _suspect_words(self, one: LabelIssue) -> str:
        assert self.session is not None
        assert self.shot is not None
        names = self.shot.table.names
        where = f" of {names[one.volume]}" if len(names) > 1 else ""
        mine = self.session.class_name(one.label)
        other = self.session.class_name(one.looks_like)
        return (
            f"slice {one.index}{where}: {len(one.rows)} of {mine} look like {other} "
            f"({one.silhouette:.2f})"
        )

    def _on_suspect(self, _item: Any) -> None:
        at = self.list.currentRow()
        if 0 <= at < len(self.suspects):
            rows = np.asarray(self.suspects[at].rows, np.intp)
            self.choose(rows)
            self.went.emit(int(rows[0]))

    def _on_freeze(self, frozen: bool) -> None:
        if not frozen and self.recording.shots:
            self.slider.setValue(self.slider.maximum())
            self._show(self.recording.shots[-1])

    def _on_slider(self, value: int) -> None:
        shots = self.recording.shots
        if value < len(shots) - 1:
            self.freeze.setChecked(True)
        if value < len(shots):
            self._show(shots[value])
        if value == len(shots) - 1:
            self.freeze.setChecked(False)

    # -- chosen voxels ---------------------------------------------------------

    def choose(self, rows: NDArray[np.intp]) -> None:
        """Choose voxels."""
        self.chosen = rows
        self.map.choose(rows)
        self._show_chosen()
        self.chosen_changed.emit(rows)

    def show_crop(self, pixmap: Any, words: str) -> None:
        """Show what is around a voxel, and what is known of it."""
        self.crop.setPixmap(pixmap)
        self.crop_text.setText(words)

    def _show_chosen(self) -> None:
        count = len(self.chosen)
        self.chosen_text.setText(f"{count} voxels chosen" if count else "")
        why = None if count else "Draw a lasso around points of the map first"
        for control in (self.classes, self.give, self.queue, self.clear):
            enable(control, why)
        self._enable_similar()

    def _fill_classes(self) -> None:
        assert self.session is not None
        names = (*(c.name for c in self.session.classes), "background")
        fill(self.classes, names)

    def _give(self) -> None:
        if self.session is None:
            return
        at = self.classes.currentIndex()
        known = self.session.classes
        self.class_given.emit(known[at].id if at < len(known) else BACKGROUND)

    def _clear(self) -> None:
        self.choose(NOTHING)

    def _on_count(self, text: str) -> None:
        self.count_changed.emit(int(text))

    def _on_tap(self, text: str) -> None:
        self.tap_changed.emit(TAPS[text])

    def _exporter(self, name: str) -> Any:
        return lambda: self.export_requested.emit(name)

    def show_similar(self, done: int, total: int) -> None:
        """Show how far the search for similar voxels is, and let it be stopped."""
        self._searching = total > 0
        self.similar.setText(f"Stop ({done} of {total})" if total else "Find similar")
        self._enable_similar()

    def _similar(self) -> None:
        (self.stop_requested if self._searching else self.similar_requested).emit()

    def _enable_similar(self) -> None:
        ready = self._searching or len(self.chosen) > 0
        enable(self.similar, None if ready else "Click on a point of the map first")

    # -- window ----------------------------------------------------------------

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Tell that somebody looks."""
        super().showEvent(event)
        self.visible.emit(True)

    def hideEvent(self, event: Any) -> None:  # noqa: N802
        """Tell that nobody looks any more."""
        super().hideEvent(event)
        self.visible.emit(False)

    def apply_theme(self, background: str, foreground: str) -> None:
        """Take napari's colours."""
        for plot in (self.map, *self.plots.plots()):
            plot.setBackground(background)
            for side in ("left", "bottom"):
                axis = plot.getAxis(side)
                axis.setPen(foreground)
                axis.setTextPen(foreground)
        self.map.legend.setLabelTextColor(pg.mkColor(foreground))
