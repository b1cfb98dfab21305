"""The embedding dock: the map, silhouettes, what looks mislabelled, what is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import (
    QBoxLayout,
    QLabel,
    QListWidget,
    QMenu,
    QSizePolicy,
    QSlider,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_contrastseg.io.plural import plural
from napari_contrastseg.session.classes import BACKGROUND, class_name
from napari_contrastseg.ui.embedding.colours import COLOURS, class_colours, groups
from napari_contrastseg.ui.widgets.column import Column
from napari_contrastseg.ui.widgets.forms import (
    NameBox,
    button,
    choice,
    enable,
    explain,
    fill,
    note,
    row,
)
from napari_contrastseg.ui.widgets.plot_theme import apply_theme

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.insight.map_history import EmbeddingFrame
    from napari_contrastseg.insight.silhouettes import LabelIssue
    from napari_contrastseg.session.classes import Classes
    from napari_contrastseg.tasks.voxels import Described
    from napari_contrastseg.ui.embedding.plot import MapPlot
    from napari_contrastseg.ui.embedding.silhouette_plots import SilhouettePlots

NOTHING = np.zeros(0, np.intp)
MISLABELLED = "possibly mislabelled"
NO_MAP = "The map appears while a network learns."
#: Numbers of voxels to choose from.
COUNTS = ("2000", "5000", "10000")
#: The network's maps to choose from: the decoder's last by default.
TAPS = {"last layer": None, "deepest layer": "bottleneck"}
#: Side of the shown crop, pixels.
CROP = 112
#: Height of the dock where there is room; its least width and height. So low that it
#: fits below the image on a laptop, also in 3-D: layer controls need 420 pixels there.
_HEIGHT = 280
_LEAST = (320, 50)
_TABS = (
    "The voxel under the mouse, and what the next run shows",
    "How well the classes are told apart",
    "Labels that look like another class",
)
#: Width from which its parts stand beside each other.
_WIDE = 640
HELP = (
    "t-SNE of voxels' features: near points look alike to the network; distances "
    "between far groups mean nothing. Drag to lasso, click to go to a voxel, wheel to "
    "zoom, middle button to move, double click to see all; click on the legend to hide."
)


@dataclass(frozen=True, eq=False)
class EmbeddingState:
    """What the dock shows.

    Attributes
    ----------
    frame : the frame that is shown
    about : what is known of its voxels, as labels are now
    issues : labels that look wrong, as far as nobody has mended them
    classes : the session's
    curve : last frame of every look and round
    earlier : number and mean silhouette of rounds
    frames : how many are recorded
    at : the one that the slider is at
    frozen : whether the frame is held while others come
    """

    frame: EmbeddingFrame | None = None
    about: Described | None = None
    issues: tuple[LabelIssue, ...] = ()
    classes: Classes = ()
    curve: tuple[EmbeddingFrame, ...] = ()
    earlier: tuple[tuple[int, float], ...] = ()
    frames: int = 0
    at: int = 0
    frozen: bool = False


class EmbeddingView(QWidget):
    """Shows an `EmbeddingState`; what the person wants goes out as signals.

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
    frozen : bool
        Hold the frame that is shown, or go on.
    frame_chosen : number of a recorded frame
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
    frozen = Signal(bool)
    frame_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = EmbeddingState()
        self.chosen: NDArray[np.intp] = NOTHING
        self._searching = False
        self._listed: list[str] = []
        self._theme: tuple[str, str] | None = None
        self._make_controls()
        self._lay_out()
        self._show_chosen()

    def _make_controls(self) -> None:
        self.colour = choice(COLOURS, "What the points' colours mean", "colour")
        self.colour.currentIndexChanged.connect(self.redraw)
        self.count = choice(
            COUNTS, "Voxels on the map, from the next run on", "voxels on the map"
        )
        self.count.currentTextChanged.connect(self._on_count)
        self.tap = choice(
            TAPS,
            "What is read of the network, from the next run on",
            "map of the network",
        )
        self.tap.currentTextChanged.connect(self._on_tap)
        self.freeze = QToolButton()
        self.freeze.setText("Freeze")
        self.freeze.setCheckable(True)
        explain(self.freeze, "Hold this map while training goes on", "freeze")
        self.freeze.toggled.connect(self.frozen)
        self.export = QToolButton()
        self.export.setText("Export \N{BLACK DOWN-POINTING SMALL TRIANGLE}")
        self.export.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        tip = "Write the map as a picture, or its voxels as a table"
        explain(self.export, tip, "export the map")
        self.export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.export)
        for name in ("png", "svg", "csv"):
            menu.addAction(name.upper(), self._exporter(name))
        self.export.setMenu(menu)
        self.text = note(NO_MAP)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        explain(
            self.slider,
            "Frames of all rounds; the right end is now",
            "frame of the map",
        )
        self.slider.setRange(0, 0)
        self.slider.valueChanged.connect(self.frame_chosen)
        self.list = QListWidget()
        self.list.setWordWrap(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        explain(
            self.list,
            "Labelled voxels that look more like another class; click to go there",
            MISLABELLED,
        )
        self.list.itemClicked.connect(self._on_issue)
        self.list.itemActivated.connect(self._on_issue)
        self.crop = QLabel()
        self.crop.setFixedSize(CROP, CROP)
        self.crop.setToolTip("Around the voxel under the mouse")
        self.crop_text = note()
        self.crop_hint = note("Point at the map to see here which voxel it is.")
        self.chosen_text = note()
        self.classes = NameBox()
        explain(self.classes, "Class for the chosen voxels", "class for the voxels")
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
        seen = QVBoxLayout()
        seen.addWidget(
            row(QLabel("colour"), self.colour, self.freeze, self.export, stretch=1)
        )
        self._map_place = QVBoxLayout()
        seen.addLayout(self._map_place, 1)
        seen.addWidget(self.slider)
        seen.addWidget(self.text)
        self.tabs = QTabWidget()
        self.tabs.addTab(self._voxel_page(), "voxel")
        scores = QWidget()
        self._scores_place = QVBoxLayout(scores)
        self._scores_place.setContentsMargins(0, 0, 0, 0)
        self.tabs.addTab(Column(scores), "silhouettes")
        self._issues_tab = self.tabs.addTab(self.list, MISLABELLED)
        for number, tip in enumerate(_TABS):
            self.tabs.setTabToolTip(number, tip)
        _share_height(self.tabs)
        about = QVBoxLayout()
        about.addWidget(self.tabs, 1)
        about.addWidget(self.chosen_text)
        about.addWidget(row(self.classes, self.give, stretch=0))
        about.addWidget(row(self.queue, self.similar, self.clear))
        self._parts = QBoxLayout(QBoxLayout.Direction.TopToBottom, self)
        self._parts.setContentsMargins(4, 4, 4, 4)
        self._parts.addLayout(seen, 5)
        self._parts.addLayout(about, 4)
        self.setMinimumSize(*_LEAST)

    @cached_property
    def _drawn(self) -> tuple[MapPlot, SilhouettePlots]:
        """Make the plots once they are seen or drawn: pyqtgraph takes time to load."""
        from napari_contrastseg.ui.embedding.plot import MapPlot  # noqa: PLC0415
        from napari_contrastseg.ui.embedding.silhouette_plots import (  # noqa: PLC0415
            SilhouettePlots,
        )

        plot, scores = MapPlot(), SilhouettePlots()
        explain(plot, HELP, "map of voxels")
        plot.hovered.connect(self.pointed)
        plot.clicked.connect(self.went)
        plot.lassoed.connect(self.choose)
        _share_height(plot)
        self._map_place.addWidget(plot)
        self._scores_place.addWidget(scores)
        if self._theme:
            _colour(plot, scores, *self._theme)
        return plot, scores

    @property
    def map(self) -> MapPlot:
        """The map."""
        return self._drawn[0]

    @property
    def plots(self) -> SilhouettePlots:
        """The silhouettes."""
        return self._drawn[1]

    def _voxel_page(self) -> Column:
        """Lay out what is said of the voxel under the mouse, and of the next run."""
        page = QWidget()
        lines = QVBoxLayout(page)
        lines.setContentsMargins(4, 4, 4, 4)
        lines.addWidget(self.crop_hint)
        self._crop_row = row(self.crop, self.crop_text, stretch=1)
        self._crop_row.hide()
        lines.addWidget(self._crop_row)
        lines.addStretch(1)
        lines.addWidget(row(QLabel("voxels, next run"), self.count, stretch=1))
        lines.addWidget(row(QLabel("seen by"), self.tap, stretch=1))
        return Column(page)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Say how large it is where the screen has room."""
        return QSize(_LEAST[0], _HEIGHT)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """Put the parts beside each other in a wide dock, below each other in a tab."""
        super().resizeEvent(event)
        wide = self.width() >= max(_WIDE, self.height())
        direction = QBoxLayout.Direction
        self._parts.setDirection(
            direction.LeftToRight if wide else direction.TopToBottom
        )

    # -- state -----------------------------------------------------------------

    def value(self) -> EmbeddingState:
        """Return what is shown."""
        return self._state

    @property
    def frame(self) -> EmbeddingFrame | None:
        """The frame that is shown."""
        return self._state.frame

    @property
    def about(self) -> Described | None:
        """What is known of the voxels on the map."""
        return self._state.about

    @property
    def issues(self) -> tuple[LabelIssue, ...]:
        """What looks mislabelled."""
        return self._state.issues

    def setValue(self, state: EmbeddingState) -> None:  # noqa: N802
        """Show a state; what has not changed is left alone."""
        old, self._state = self._state, state
        self._show_controls(state)
        frame, before = state.frame, old.frame
        if frame is None:
            if before is not None:
                self._clear_map()
            return
        same = before is not None and before.table.position is frame.table.position
        if not same:
            self._new_rows()
        if not same or old.about is not state.about or old.classes != state.classes:
            self.redraw()
        elif before is not frame:
            self.map.move_to(frame.layout)
        if not same:
            self.table_changed.emit()
        labelled = int(frame.table.known.sum())
        self.text.setText(
            f"{frame.words}: {plural(len(frame.table), 'voxel')}, {labelled} labelled"
        )
        if before is None or before.scores is not frame.scores:
            self.show_scores()
        if old.issues is not state.issues or old.classes != state.classes:
            self._show_issues()

    def _show_controls(self, state: EmbeddingState) -> None:
        """Show the slider and whether the map is held, without a signal."""
        for control in (self.slider, self.freeze):
            control.blockSignals(True)
        self.slider.setRange(0, max(0, state.frames - 1))
        self.slider.setValue(state.at)
        self.freeze.setChecked(state.frozen)
        for control in (self.slider, self.freeze):
            control.blockSignals(False)

    def _clear_map(self) -> None:
        self.map.draw(np.zeros((0, 2), np.float32), [])
        self._new_rows()
        self.plots.clear()
        self.text.setText(NO_MAP)
        self._show_issues()

    def _new_rows(self) -> None:
        """Forget which rows were chosen, ringed or pointed at."""
        self.choose(NOTHING)
        self.map.highlight(NOTHING)
        self.map.hover(-1)
        self.show_crop(QPixmap(), "")

    def redraw(self) -> None:
        """Draw points in their colours."""
        state = self._state
        if state.frame is None or state.about is None:
            return
        kind, table = self.colour.currentText(), state.frame.table
        found = groups(kind, table, state.about, state.classes)
        self.map.draw(state.frame.layout, found)
        fill(self.classes, (*(c.name for c in state.classes), "background"))

    def show_scores(self) -> None:
        """Show silhouettes, and how they went."""
        state = self._state
        assert state.frame is not None
        scores = state.frame.scores
        names = {k: class_name(state.classes, k) for k in scores.classes}
        self.plots.show_scores(scores, class_colours(state.classes), names)
        self.plots.show_curve(state.curve, state.earlier)

    def _show_issues(self) -> None:
        """List what looks mislabelled."""
        words = [self._issue_words(issue) for issue in self.issues]
        if words != self._listed:
            self._listed = words
            self.list.clear()
            self.list.addItems(words)
        count = len(words)
        self.tabs.setTabText(
            self._issues_tab, f"{MISLABELLED}: {count}" if count else MISLABELLED
        )

    def _issue_words(self, one: LabelIssue) -> str:
        assert self.frame is not None
        names, classes = self.frame.table.names, self._state.classes
        where = f" of {names[one.volume]}" if len(names) > 1 else ""
        mine = class_name(classes, one.label)
        other = class_name(classes, one.looks_like)
        return (
            f"slice {one.index}{where}: {len(one.rows)} of {mine} look like {other} "
            f"({one.silhouette:.2f})"
        )

    def _on_issue(self, _item: Any) -> None:
        at = self.list.currentRow()
        if 0 <= at < len(self.issues):
            rows = np.asarray(self.issues[at].rows, np.intp)
            self.choose(rows)
            self.went.emit(int(rows[0]))

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
        self.crop_hint.setVisible(not words)
        self._crop_row.setVisible(bool(words))

    def _show_chosen(self) -> None:
        count = len(self.chosen)
        self.chosen_text.setText(f"{plural(count, 'voxel')} chosen" if count else "")
        why = None if count else "Draw a lasso around points of the map first"
        for control in (self.classes, self.give, self.queue, self.clear):
            enable(control, why)
        self._enable_similar()

    def _give(self) -> None:
        at, known = self.classes.currentIndex(), self._state.classes
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
        """Signal that somebody looks."""
        for part in self._drawn:  # made and laid out before anything is drawn
            part.show()
        self._parts.activate()
        super().showEvent(event)
        self.visible.emit(True)

    def hideEvent(self, event: Any) -> None:  # noqa: N802
        """Signal that nobody looks any more."""
        super().hideEvent(event)
        self.visible.emit(False)

    def apply_theme(self, background: str, foreground: str) -> None:
        """Take napari's colours."""
        self._theme = background, foreground
        if "_drawn" in vars(self):
            _colour(*self._drawn, background, foreground)


def _colour(
    plot: MapPlot, scores: SilhouettePlots, background: str, foreground: str
) -> None:
    for one in (plot, *scores.plots()):
        apply_theme(one, background, foreground)
    plot.ring_in(foreground)


def _share_height(part: QWidget) -> None:
    """Let a part have as much of the height as its stretch gives it."""
    part.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
