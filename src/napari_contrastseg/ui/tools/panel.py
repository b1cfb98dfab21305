"""Step Tools: buttons that change labels, their amounts, and the range to paint in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_contrastseg.ui.widgets.forms import button, enable, explain, note, row

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Beyond these no range of image values is typed.
_LARGEST: Final = 1e12
_MOST_VOXELS: Final = 99_999


@dataclass(frozen=True)
class ToolSettings:
    """What a person chose.

    Attributes
    ----------
    through : through all slices, not on the shown one alone
    distance : by which to grow, shrink or smooth, in the unit that is shown
    size : voxels from which on a piece is not small
    in_range : whether strokes change voxels of the range alone
    low, high : the range, in values of the image
    """

    through: bool = False
    distance: float = 1.0
    size: int = 20
    in_range: bool = False
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True)
class ToolsState:
    """What the panel shows.

    Attributes
    ----------
    class_words : the chosen class
    why_not : by tool, why it cannot be used now; one that can is left out
    unit : of the distance
    channel : whose values the range is of; "" where there is one alone
    decimals : of the range: 0 where the image has whole numbers
    running : what is being worked out through all slices; "" for nothing
    said : what came of the tool that was used last
    """

    class_words: str = "Chosen class: none"
    why_not: Mapping[str, str] | None = None
    unit: str = "mm"
    channel: str = ""
    decimals: int = 3
    running: str = ""
    said: str = ""


#: Text, tooltip of each tool's button; by the tool's name.
BUTTONS: Final[Mapping[str, tuple[str, str]]] = {
    "copy slice before": (
        "Copy slice before  U",
        "Copy the labels of the slice before, or where it has none of the one after, "
        "to where nothing is painted on this slice",
    ),
    "fill holes": (
        "Fill holes  H",
        "Fill what the chosen class encloses in the slice; other classes and painted "
        "background stay",
    ),
    "keep largest piece": (
        "Keep largest  K",
        "Erase all pieces of the chosen class but the largest; with all slices, "
        "outlines on neighbouring labelled slices are one piece",
    ),
    "remove small pieces": (
        "Remove small  Shift+K",
        "Erase pieces of the chosen class that have fewer voxels than this; with all "
        "slices, outlines on neighbouring labelled slices are one piece",
    ),
    "grow": (
        "Grow  Alt+G",
        "Let the chosen class grow by the distance, where nothing is painted",
    ),
    "shrink": (
        "Shrink  Alt+E",
        "Erase the rim of the chosen class, as wide as the distance",
    ),
    "smooth": (
        "Smooth  Alt+M",
        "Smooth the outlines of all classes together: no gap and no overlap comes "
        "between them, and details smaller than the distance go",
    ),
}


class ToolsPanel(QWidget):
    """Edits `ToolSettings`; what the person wants goes out as signals.

    Signals
    -------
    tool_requested : name of a tool
    suggest_requested, cancel_requested : ()
    range_changed : ()
        Whether, or where, strokes are held to a range of image values.
    """

    tool_requested = Signal(str)
    suggest_requested = Signal()
    cancel_requested = Signal()
    range_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = ToolsState()
        self.class_text = note()
        self.through = QCheckBox("through all slices")
        self.through.setAccessibleName("through all slices")
        self.through.setToolTip(
            "Use the tools on every labelled slice of the volume, not on the shown "
            "one alone; locked slices stay"
        )
        self.buttons = {name: self._button(name) for name in BUTTONS}
        self.least, self.distance = QSpinBox(), QDoubleSpinBox()
        self._make_amounts()
        self._make_range()
        self.said = note()
        self.said.setAccessibleName("What the last tool changed")
        self._make_progress()
        self._lay_out()
        self.setValue(ToolSettings())
        self._show()

    def _button(self, name: str) -> QPushButton:
        text, tip = BUTTONS[name]
        made = button(text, tip, lambda: self.tool_requested.emit(name))
        made.setAccessibleName(name.capitalize())
        return made

    def _make_amounts(self) -> None:
        self.least.setRange(2, _MOST_VOXELS)
        self.least.setPrefix("under ")
        self.least.setSuffix(" voxels")
        explain(
            self.least,
            "Pieces with fewer voxels than this are small",
            "Voxels from which on a piece is not small",
        )
        self.distance.setPrefix("by ")
        self.distance.setDecimals(2)
        self.distance.setRange(0.01, 999)
        for field in (self.least, self.distance):
            field.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            field.setMinimumWidth(100)
            field.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        self.distance.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        explain(
            self.distance,
            "By how much to grow, shrink or smooth",
            "Distance to grow, shrink or smooth by",
        )

    def _make_range(self) -> None:
        self.in_range = QCheckBox("paint only in the range  T")
        self.in_range.setAccessibleName("paint only in the range")
        self.in_range.setToolTip(
            "Strokes of the brush, the eraser and the bucket, whatever they cover, "
            "change only voxels whose image value lies within this range"
        )
        self.in_range.toggled.connect(self.range_changed)
        self.low, self.high = QDoubleSpinBox(), QDoubleSpinBox()
        for field, which in ((self.low, "Least"), (self.high, "Largest")):
            field.setRange(-_LARGEST, _LARGEST)
            field.setDecimals(3)
            field.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
            words = f"{which} image value that is painted on"
            explain(field, words, words)
            field.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
            field.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            field.setMinimumWidth(60)
            field.valueChanged.connect(self.range_changed)
        self.suggest = button(
            "Range from what is painted",
            "Take the range of image values under what is painted with the class in "
            "hand, on this slice or the nearest that has some",
            self.suggest_requested.emit,
        )
        self.channel = note()

    def _make_progress(self) -> None:
        self.running = note()
        bar = QProgressBar()
        bar.setRange(0, 0)
        bar.setAccessibleName("progress through all slices")
        bar.setToolTip("All slices are being looked at; you may go on annotating")
        bar.setAccessibleName("A tool is at work through all slices")
        cancel = button("Cancel", "Leave all labels as they are", self._cancel)
        self.progress = QWidget()
        lines = QVBoxLayout(self.progress)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.addWidget(self.running)
        lines.addWidget(row(bar, cancel, stretch=0))
        self.progress.hide()

    def _cancel(self) -> None:
        self.cancel_requested.emit()

    def _lay_out(self) -> None:
        one, tools = self.buttons, QGridLayout()
        tools.setContentsMargins(0, 0, 0, 0)
        tools.setSpacing(4)
        for line, left, right in (
            (0, one["copy slice before"], None),
            (1, one["fill holes"], one["keep largest piece"]),
            (2, one["remove small pieces"], self.least),
            (3, one["grow"], one["shrink"]),
            (4, one["smooth"], self.distance),
        ):
            tools.addWidget(left, line, 0, 1, 2 if right is None else 1)
            if right is not None:
                tools.addWidget(right, line, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.class_text)
        layout.addWidget(self.through)
        layout.addLayout(tools)
        layout.addWidget(self.in_range)
        ends = QHBoxLayout()
        ends.addWidget(self.low, 1)
        ends.addWidget(QLabel("to"))
        ends.addWidget(self.high, 1)
        layout.addLayout(ends)
        layout.addWidget(self.suggest)
        layout.addWidget(self.channel)
        layout.addWidget(self.progress)
        layout.addWidget(self.said)

    def value(self) -> ToolSettings:
        """Return what is chosen."""
        return ToolSettings(
            self.through.isChecked(),
            self.distance.value(),
            self.least.value(),
            self.in_range.isChecked(),
            self.low.value(),
            self.high.value(),
        )

    def setValue(self, value: ToolSettings) -> None:  # noqa: N802
        """Show other choices."""
        if value == self.value():
            return
        self.through.setChecked(value.through)
        self.distance.setValue(value.distance)
        self.least.setValue(value.size)
        for field, number in ((self.low, value.low), (self.high, value.high)):
            field.blockSignals(True)
            field.setValue(number)
            field.blockSignals(False)
        self.in_range.blockSignals(True)
        self.in_range.setChecked(value.in_range)
        self.in_range.blockSignals(False)
        self.range_changed.emit()

    def change(self, **chosen: float | bool) -> None:
        """Choose some settings, and leave the others."""
        self.setValue(replace(self.value(), **chosen))  # type: ignore[arg-type]

    def setState(self, state: ToolsState) -> None:  # noqa: N802
        """Show what can be done, and what was."""
        if state != self._state:
            self._state = state
            self._show()

    def _show(self) -> None:
        state = self._state
        self.class_text.setText(state.class_words)
        for name, one in self.buttons.items():
            enable(one, (state.why_not or {}).get(name))
        enable(self.suggest, (state.why_not or {}).get("range"))
        self.distance.setSuffix(f" {state.unit}")
        for field in (self.low, self.high):
            field.setDecimals(state.decimals)
        self.channel.setText(state.channel and f"values of channel {state.channel}")
        self.channel.setVisible(bool(state.channel))
        self.running.setText(state.running)
        self.progress.setVisible(bool(state.running))
        self.said.setText(state.said)
        self.said.setVisible(bool(state.said))
