"""Step Review: threshold, queue, accept and reject pieces and classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from napari_contrastseg.io.plural import plural
from napari_contrastseg.query import DEFAULT
from napari_contrastseg.ui.review.strategy_box import StrategyBox
from napari_contrastseg.ui.widgets.forms import (
    NARROW,
    NameBox,
    button,
    choice,
    enable,
    explain,
    fill,
    note,
    row,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_contrastseg.session.classes import Classes
    from napari_contrastseg.session.review import Layer

ALL = -1
#: What of a proposal may be shown, and the layer that shows it.
SHOWN: Final[Mapping[str, Layer | None]] = {
    "sure and unsure": "prediction",
    "only sure": "pseudo",
    "nothing": None,
}


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
    left : slices that are not done, over all volumes
    thresholds : confidence from which a class (0 background) counts as sure
    compared : round whose difference is shown
    compared_words : how much it differs
    proposed : whether the active volume has a proposal
    suggested : whether a box or click has become a suggestion, which comes first
    shown : what of the active volume's proposal is on the screen
    sure_words : what is filled and what has an outline; "" where nothing is proposed
    specks_chosen : whether a class's specks are left out
    specks_words : how much that is
    queue : what comes next
    """

    rounds: tuple[int, ...] = ()
    round: int | None = None
    left: int = 0
    classes: Classes = ()
    thresholds: Mapping[int, float] = field(default_factory=dict)
    undo: str | None = None
    compared: int | None = None
    compared_words: str = ""
    proposed: bool = False
    suggested: bool = False
    shown: Layer | None = "prediction"
    sure_words: str = ""
    specks_chosen: Mapping[int, bool] = field(default_factory=dict)
    specks_words: str = ""
    queue: QueueState = QueueState()


class ReviewPanel(QWidget):
    """Shows a `ReviewState`; what the person wants goes out as signals."""

    round_chosen = Signal(int)
    compare_requested = Signal(int)
    threshold_moved = Signal(int, float)
    threshold_settled = Signal()
    shown_chosen = Signal(object)
    specks_chosen = Signal(int, bool)
    strategy_chosen = Signal(str)
    accept_component_requested = Signal(bool)
    accept_class_requested = Signal(int, bool)
    reject_component_requested = Signal(bool)
    reject_class_requested = Signal(int, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = ReviewState()
        self._others: tuple[int, ...] = ()
        self.counts = note()  # it wraps: a wider row would fall below its label
        self.round = QComboBox()
        self.round.setStyleSheet(NARROW)
        explain(self.round, "Bring an earlier round's proposals back", "round")
        self.round.activated.connect(self._choose_round)
        self.other = QComboBox()
        explain(
            self.other,
            "A layer that shows where another round says something else, and what",
            "compare with",
        )
        self.other.activated.connect(self._compare)
        self.compared = note()
        self.source = note()
        self.source.setToolTip(
            "Where the shown slice's proposal comes from: interpolation between slices "
            "that are done, a round's network, or both, weighed by what they earned"
        )
        self.which = NameBox()
        explain(self.which, "Class that the controls of this step speak of", "of class")
        self.which.activated.connect(self._show_chosen_class)
        self.threshold = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(0.0, 1.0)
        self.threshold.setValue(0.9)
        explain(
            self.threshold,
            "What is proposed with at least this confidence is sure, and filled",
            "confidence over",
        )
        self.threshold.valueChanged.connect(self._moved)
        self.threshold.sliderReleased.connect(self.threshold_settled)
        self.shown = choice(
            SHOWN,
            "What of the proposal is on the screen; accepting takes just that",
            "show of the proposal",
        )
        self.shown.activated.connect(self._choose_shown)
        self.no_specks = QCheckBox("no specks")
        explain(
            self.no_specks,
            "Leave out pieces that hold none of your labels and are much smaller than "
            "the largest one of their class, or end where a slice that is done has "
            "nothing; on by itself where what you labelled is one piece",
            "no specks",
        )
        self.no_specks.clicked.connect(self._choose_specks)
        self.sure_text = note()
        self.strategy = StrategyBox()
        self.strategy.valueChanged.connect(self.strategy_chosen)
        self.next_text = note()
        self.accept_component = button(
            "piece  C",
            "Accept the piece under the cursor on this slice; with Shift through all",
            self._accept_component,
            "accept piece",
        )
        self.accept_class = button(
            "class",
            "Accept what is shown of the class beside 'confidence over' on this slice; "
            "with Shift on all",
            self._accept_class,
            "accept class",
        )
        self.reject_component = button(
            "piece  R",
            "Reject the piece under the cursor on this slice; with Shift through all. "
            "It stays away until someone paints there or a later round is accepted",
            self._reject_component,
            "reject piece",
        )
        self.reject_class = button(
            "class",
            "Reject what is proposed as the class beside 'confidence over' on this "
            "slice; with Shift on all",
            self._reject_class,
            "reject class",
        )
        self._lay_out()
        self._show_choices(self._state)
        self._show_words(self._state)
        self._show_queue(self._state.queue)
        self._enable(self._state)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("round", row(self.round, self.counts, stretch=1))
        form.addRow("comes from", self.source)
        form.addRow("compare with", self.other)
        form.addRow(self.compared)
        form.addRow("confidence over", self.which)
        form.addRow("", self.threshold)
        form.addRow("show", self.shown)
        form.addRow("", self.no_specks)
        form.addRow(self.sure_text)
        form.addRow("next", self.strategy)
        form.addRow(self.next_text)
        accept = row(self.accept_component, self.accept_class)
        form.addRow("accept", accept)
        reject = row(self.reject_component, self.reject_class)
        form.addRow("reject", reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(form)

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
        self._show_shown(state)
        if _usable(old) != _usable(state):
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
        self._show_chosen_class()

    def _show_shown(self, state: ReviewState) -> None:
        """Show what is on the screen, and say what it means."""
        words = next(text for text, kind in SHOWN.items() if kind == state.shown)
        self.shown.setCurrentText(words)
        self.sure_text.setText(" ".join((state.sure_words, state.specks_words)).strip())
        self.sure_text.setVisible(bool(state.sure_words))

    def _show_words(self, state: ReviewState) -> None:
        self.compared.setText(state.compared_words)
        self.compared.setVisible(bool(state.compared_words))
        some = state.rounds or state.sure_words
        self.counts.setText(f"{state.left} left" if some else "")
        self.counts.setToolTip(f"{plural(state.left, 'slice')} not done yet")

    def _show_queue(self, queue: QueueState) -> None:
        self.strategy.setValue(queue.strategy)
        self.next_text.setText(queue.next_words or queue.no_next)
        self.next_text.setToolTip(queue.trust_words or "Where to look next, and why")

    def _enable(self, state: ReviewState) -> None:
        few = None if self._others else "There is no other round yet"
        enable(self.other, few)
        enable(self.round, None if state.rounds else "Run a round first")
        nothing = why_no_proposal(state)
        for widget in (
            self.threshold,
            self.which,
            self.shown,
            self.no_specks,
            self.accept_component,
            self.accept_class,
            self.reject_component,
            self.reject_class,
        ):
            enable(widget, nothing)

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

    def _show_chosen_class(self, _index: int = 0) -> None:
        """Show the chosen class's threshold, and whether its specks are left out."""
        self._show_threshold()
        chosen, left_out = self.chosen_class(), self._state.specks_chosen
        self.no_specks.setChecked(left_out.get(chosen, any(left_out.values())))

    def _show_threshold(self) -> None:
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

    def _choose_shown(self, _index: int) -> None:
        self.shown_chosen.emit(SHOWN[self.shown.currentText()])

    def _choose_specks(self, left_out: bool) -> None:
        self.specks_chosen.emit(self.chosen_class(), left_out)

    def _accept_component(self) -> None:
        self.accept_component_requested.emit(_with_shift())

    def _reject_component(self) -> None:
        self.reject_component_requested.emit(_with_shift())

    def _accept_class(self) -> None:
        self.accept_class_requested.emit(self.chosen_class(), _with_shift())

    def _reject_class(self) -> None:
        self.reject_class_requested.emit(self.chosen_class(), _with_shift())


def _usable(state: ReviewState) -> tuple[object, ...]:
    """Give what decides which controls can be used."""
    return state.rounds, state.round, bool(state.sure_words)


def why_no_proposal(state: ReviewState) -> str | None:
    """Say why nothing can be accepted or rejected, and what to do; None if it can."""
    if state.proposed:
        return None
    if state.rounds:
        return "This volume has no proposal; mark two slices done, or run a round"
    return "Mark two slices done, or run a round, first"


def _with_shift() -> bool:
    """Whether Shift is held down."""
    held = QGuiApplication.keyboardModifiers()
    return bool(held & Qt.KeyboardModifier.ShiftModifier)
