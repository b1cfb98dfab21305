"""Step Review: threshold, queue, accept and reject."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QVBoxLayout, QWidget
from superqt import QLabeledDoubleSlider

from napari_contrastseg.query import DEFAULT
from napari_contrastseg.ui.review.strategy_box import StrategyBox
from napari_contrastseg.ui.widgets.forms import button, enable, fill, note, row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_contrastseg.session.classes import Classes

ALL = -1


@dataclass(frozen=True)
class QueueState:
    """What the panel shows of the queue.

    Attributes
    ----------
    strategy : name of the query strategy that is used
    next_words : which slice to look at next, and why
    no_next : why there is none, and what to do; "" where there is one
    trust_words : how far the estimates of Dice in `next_words` were off
    """

    strategy: str = DEFAULT
    next_words: str = ""
    no_next: str = "Add a volume in step Data first"
    trust_words: str = ""


@dataclass(frozen=True)
class ReviewState:
    """What the panel shows.

    Attributes
    ----------
    rounds : numbers of the rounds there are
    round : the one that is shown
    proposed : whether a volume has a proposal, a round's or a derived one
    left : slices that are not done, over all volumes
    thresholds : confidence from which a class (0 background) counts as sure
    compared : round whose difference is shown
    compared_words : how much it differs
    queue : what comes next
    """

    rounds: tuple[int, ...] = ()
    round: int | None = None
    proposed: bool = False
    left: int = 0
    classes: Classes = ()
    thresholds: Mapping[int, float] = field(default_factory=dict)
    undo: str | None = None
    compared: int | None = None
    compared_words: str = ""
    queue: QueueState = QueueState()


class ReviewPanel(QWidget):
    """Shows a `ReviewState`; what the person wants goes out as signals."""

    round_chosen = Signal(int)
    compare_requested = Signal(int)
    threshold_moved = Signal(int, float)
    threshold_settled = Signal()
    strategy_chosen = Signal(str)
    next_requested = Signal()
    accept_slice_requested = Signal()
    accept_component_requested = Signal()
    accept_class_requested = Signal(int)
    reject_component_requested = Signal()
    reject_slice_requested = Signal()
    reject_class_requested = Signal(int)
    undo_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = ReviewState()
        self._others: tuple[int, ...] = ()
        self.counts = QLabel()
        self.round = QComboBox()
        self.round.setToolTip("Bring an earlier round's proposals back")
        self.round.activated.connect(self._choose_round)
        self.other = QComboBox()
        self.other.setToolTip(
            "A layer that shows where another round says something else, and what"
        )
        self.other.activated.connect(self._compare)
        self.compared = note()
        self.source = note()
        self.source.setToolTip(
            "Where the shown slice's proposal comes from: interpolation between slices "
            "that are done, a round's network, or both, weighed by what they earned"
        )
        self.which = QComboBox()
        self.which.setToolTip("Class whose threshold is set")
        self.which.activated.connect(self._show_threshold)
        self.threshold = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(0.3, 1.0)
        self.threshold.setValue(0.9)
        self.threshold.setToolTip(
            "Predictions at least this confident become pseudo-labels"
        )
        self.threshold.valueChanged.connect(self._moved)
        self.threshold.sliderReleased.connect(self.threshold_settled.emit)
        self.strategy = StrategyBox()
        self.strategy.valueChanged.connect(self.strategy_chosen.emit)
        self.next_text = note()
        self.next = button(
            "Go  N", "Go to the slice worth a look", self.next_requested.emit
        )
        self.accept_slice = button(
            "slice  A",
            "The whole prediction of this slice becomes yours, and the slice done",
            self.accept_slice_requested.emit,
        )
        self.accept_component = button(
            "component  C",
            "Accept the connected piece under the cursor",
            self.accept_component_requested.emit,
        )
        self.accept_class = button(
            "class", "Accept all of the chosen class in this volume", self._accept_class
        )
        self.reject_component = button(
            "component  R",
            "No pseudo-label there until someone paints or a later round is accepted",
            self.reject_component_requested.emit,
        )
        self.reject_slice = button(
            "slice  Shift+R",
            "Reject all of this slice",
            self.reject_slice_requested.emit,
        )
        self.reject_class = button(
            "class", "Reject all of the chosen class in this volume", self._reject_class
        )
        self.undo = button(
            "Undo", "Take back what you did last (Ctrl+Z)", self.undo_requested.emit
        )
        self._lay_out()
        self._show_choices(self._state)
        self._show_words(self._state)
        self._show_queue(self._state.queue)
        self._enable(self._state)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("round", row(self.round, self.counts, stretch=1))
        form.addRow("shown", self.source)
        form.addRow("compare with", self.other)
        form.addRow("", self.compared)
        form.addRow("sure from", row(self.which, self.threshold, stretch=1))
        form.addRow("next", row(self.strategy, self.next, stretch=0))
        form.addRow("", self.next_text)
        accept = row(self.accept_slice, self.accept_component, self.accept_class)
        form.addRow("accept", accept)
        reject = row(self.reject_slice, self.reject_component, self.reject_class)
        form.addRow("reject", reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(form)
        layout.addWidget(self.undo)

    def value(self) -> ReviewState:
        """Return what is shown."""
        return self._state

    def setValue(self, state: ReviewState) -> None:  # noqa: N802
        """Show a state; what has not changed is left alone."""
        old, chosen = self._state, self.chosen_class()
        self._state = state
        self._show_choices(state, chosen)
        if old == state:
            return
        self._show_words(state)
        self._show_queue(state.queue)
        if _enabling(old) != _enabling(state):
            self._enable(state)

    def setSource(self, words: str) -> None:  # noqa: N802
        """Say where the shown slice's proposal comes from."""
        self.source.setText(words)

    def _show_choices(self, state: ReviewState, chosen: int = ALL) -> None:
        """Show what a person chooses too: a choice that was refused goes back."""
        rounds = tuple(f"round {n}" for n in state.rounds)
        fill(self.round, rounds, f"round {state.round}")
        self._others = tuple(n for n in state.rounds if n != state.round)
        shown = f"round {state.compared}" if state.compared else "nothing"
        fill(self.other, ("nothing", *(f"round {n}" for n in self._others)), shown)
        names = ("all classes", *(c.name for c in state.classes), "background")
        fill(self.which, names, self._name_of(chosen, names))
        self._show_threshold()

    def _show_words(self, state: ReviewState) -> None:
        self.compared.setText(state.compared_words)
        self.compared.setVisible(bool(state.compared_words))
        some = state.rounds or state.proposed
        self.counts.setText(f"{state.left} slices to see" if some else "")
        self.undo.setText(f"Undo {state.undo}" if state.undo else "Undo")

    def _show_queue(self, queue: QueueState) -> None:
        self.strategy.setValue(queue.strategy)
        self.next_text.setText(queue.next_words or queue.no_next)
        self.next_text.setToolTip(queue.trust_words or "Where to look next, and why")
        enable(self.next, queue.no_next or None)

    def _enable(self, state: ReviewState) -> None:
        few = None if self._others else "There is no other round yet"
        enable(self.other, few)
        enable(self.round, None if state.rounds else "Run a round in step Learn first")
        some = state.rounds or state.proposed
        nothing = None if some else "Mark two slices done, or run a round, first"
        for widget in (
            self.threshold,
            self.which,
            self.accept_slice,
            self.accept_component,
            self.accept_class,
            self.reject_component,
            self.reject_slice,
            self.reject_class,
        ):
            enable(widget, nothing)
        enable(self.undo, None if state.undo else "There is nothing to undo")

    def chosen_class(self) -> int:
        """Return the class of the threshold: an id, 0 for background, -1 for all."""
        index = self.which.currentIndex()
        if index <= 0:
            return ALL
        if index <= len(self._state.classes):
            return self._state.classes[index - 1].id
        return 0

    def _name_of(self, class_id: int, names: tuple[str, ...]) -> str:
        """Name of the choice: it follows a class that was renamed."""
        by_id = {c.id: c.name for c in self._state.classes}
        return names[-1] if class_id == 0 else by_id.get(class_id, names[0])

    def _show_threshold(self, _index: int = 0) -> None:
        """Show the chosen class's threshold; of all classes, the lowest."""
        stored = self._state.thresholds
        chosen = self.chosen_class()
        value = stored.get(chosen, min(stored.values(), default=0.9))
        if self.threshold.isSliderDown() or abs(self.threshold.value() - value) < 1e-6:  # noqa: PLR2004
            return
        self.threshold.blockSignals(True)
        self.threshold.setValue(value)
        self.threshold.blockSignals(False)

    def _choose_round(self, index: int) -> None:
        self.round_chosen.emit(self._state.rounds[index])

    def _compare(self, index: int) -> None:
        known = 0 < index <= len(self._others)
        self.compare_requested.emit(self._others[index - 1] if known else 0)

    def _moved(self, value: float) -> None:
        self.threshold_moved.emit(self.chosen_class(), value)

    def _accept_class(self) -> None:
        self.accept_class_requested.emit(self.chosen_class())

    def _reject_class(self) -> None:
        self.reject_class_requested.emit(self.chosen_class())


def _enabling(state: ReviewState) -> tuple[object, ...]:
    """Give what decides which controls are enabled."""
    return state.rounds, state.round, state.undo, state.proposed
