"""Step Learn: recipe, budget, device, forecast, curves; a model from a folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QVBoxLayout,
    QWidget,
)

from napari_contrastseg.recipes import DEFAULT
from napari_contrastseg.ui.learn.cluster_box import ClusterBox
from napari_contrastseg.ui.learn.panel_state import LearnState
from napari_contrastseg.ui.learn.recipe_box import RecipeBox
from napari_contrastseg.ui.learn.run_curves import RunCurves
from napari_contrastseg.ui.widgets.fold import Fold
from napari_contrastseg.ui.widgets.forms import (
    button,
    enable,
    explain,
    folder_field,
    folder_in,
    in_rows,
    note,
    row,
)
from napari_contrastseg.ui.widgets.settings_form import settings_form

if TYPE_CHECKING:
    from magicgui.widgets import Container

_BACKGROUND = "learn in the background"


@dataclass(frozen=True)
class LearnSettings:
    """What the person chose.

    Attributes
    ----------
    cluster : str
        Address of the scheduler on whose workers rounds run; empty for this computer.
    """

    recipe: str = DEFAULT
    preset: str = "sound"
    minutes: float = 2.0
    device: str = "auto"
    settings: Any = None
    cluster: str = ""


class LearnPanel(QWidget):
    """Edits `LearnSettings`; shows a `LearnState`.

    Signals
    -------
    valueChanged : LearnSettings
    run_requested : which stages ("round", "pretrain", "fine-tune"), LearnSettings
    """

    valueChanged = Signal(object)  # noqa: N815
    run_requested = Signal(str, object)
    model_requested = Signal(object)
    background_switched = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._form: Container[Any] | None = None
        self._state = LearnState()
        self.recipe = RecipeBox()
        self.recipe.valueChanged.connect(self._recipe_changed)
        self.preset = QComboBox()
        self.preset.addItems(["sound", "literal"])
        explain(
            self.preset,
            "sound: with our corrections; literal: the published constants, made for a "
            "GPU and hours",
            "preset of the method",
        )
        self.preset.currentIndexChanged.connect(self._recipe_changed)
        self.about = note()
        self.minutes = QDoubleSpinBox()
        self.minutes.setRange(0.05, 600)
        self.minutes.setDecimals(2)
        self.minutes.setValue(2.0)
        self.minutes.setSuffix(" min")
        explain(
            self.minutes,
            "How long a round may train; reading and prediction come on top",
            "minutes of a round",
        )
        self.minutes.valueChanged.connect(self._changed)
        self.device = QComboBox()
        self.device.addItems(["auto", "cpu", "cuda"])
        explain(self.device, "auto takes the GPU where there is one", "device")
        self.device.currentIndexChanged.connect(self._changed)
        self.cluster = ClusterBox()
        self.cluster.valueChanged.connect(self._changed)
        self.more = Fold("settings of the method", "What the method lets you set")
        self._make_buttons()
        self.background = QCheckBox(_BACKGROUND)
        self.background.setChecked(True)
        explain(
            self.background,
            "Before the first round a network learns from the images alone while you "
            "do nothing; a first round with the recommended method begins with that",
            _BACKGROUND,
        )
        self.background.toggled.connect(self.background_switched)
        self.forecast = note()
        self.forecast.setToolTip(
            "What Run round would do now, by your labels, the settings above and the "
            "weights so far"
        )
        self.background_text = note()
        self.background_text.hide()
        self.curves = RunCurves()
        self.model = folder_field(
            "folder of a model", "Where a trained model was exported to"
        )
        self.use = button(
            "Use model", "Predict the session's volumes with this model", self._use
        )
        self._lay_out()
        self._recipe_changed()
        self.setState(self._state)

    def _make_buttons(self) -> None:
        self.pretrain = button(
            "Pretrain",
            "Contrastive pretraining alone; fine-tune afterwards",
            partial(self._request, "pretrain"),
        )
        self.fine_tune = button(
            "Fine-tune",
            "Train on your labels from the latest weights, then propose",
            partial(self._request, "fine-tune"),
        )

    def run_round(self) -> None:
        """Ask for a round with what was chosen."""
        self._request("round")

    def _request(self, what: str) -> None:
        self.run_requested.emit(what, self.value())

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("method", row(self.recipe, self.preset, stretch=0))
        form.addRow(self.about)
        form.addRow("time", row(self.minutes, self.device, stretch=0))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        layout.addLayout(form)
        layout.addWidget(self.forecast)
        layout.addWidget(self.curves)
        layout.addWidget(self.background)
        layout.addWidget(self.background_text)
        layout.addWidget(self.more)
        halves = Fold(
            "one half of a round", "Pretrain or fine-tune alone, to try things"
        )
        halves.setContent(row(self.pretrain, self.fine_tune))
        layout.addWidget(halves)
        self.place = Fold(
            "where rounds run", "On this computer, or on another one with a GPU"
        )
        self.place.setContent(self.cluster)
        layout.addWidget(self.place)
        trained = Fold("a model you have", "Predict with a model from a folder")
        trained.setContent(row(self.model.native, self.use, stretch=0))
        layout.addWidget(trained)

    def value(self) -> LearnSettings:
        """Return what the person chose."""
        return LearnSettings(
            self.recipe.value(),
            self.preset.currentText(),
            self.minutes.value(),
            self.device.currentText(),
            self._settings(),
            self.cluster.value(),
        )

    def setValue(self, value: LearnSettings) -> None:  # noqa: N802
        """Show a choice."""
        self.recipe.setValue(value.recipe)
        self.preset.setCurrentText(value.preset)
        self.minutes.setValue(value.minutes)
        self.device.setCurrentText(value.device)
        self.cluster.setValue(value.cluster)

    def setState(self, state: LearnState) -> None:  # noqa: N802
        """Show what is going on; what has not changed is left alone."""
        old, self._state = self._state, state
        if _for_buttons(old) != _for_buttons(state):
            self._enable(state)
        self.forecast.setText(state.forecast)
        self.forecast.setVisible(bool(state.forecast))

    def _enable(self, state: LearnState) -> None:
        busy = "A task is running; cancel it or wait" if state.running else None
        why = busy or state.why_not
        pretrains = self.recipe.recipe().pretrains
        enable(self.fine_tune, why)
        enable(
            self.pretrain,
            why or (None if pretrains else "This method has no pretraining stage"),
        )
        enable(self.use, busy or state.why_no_model)

    def setBackground(self, words: str) -> None:  # noqa: N802
        """Say how far learning in the background is."""
        self.background_text.setText(words)
        self.background_text.setVisible(bool(words))

    def _recipe_changed(self) -> None:
        recipe = self.recipe.recipe()
        self.about.setText(recipe.summary)
        self.about.setToolTip(recipe.paper)
        self._form = None
        self.more.setMaker(self._make_form)
        self._enable(self._state)
        self._changed()

    def _make_form(self) -> QWidget:
        self._form = settings_form(self._preset)
        self._form.changed.connect(self._changed)
        return in_rows(self._form)

    @property
    def _preset(self) -> Any:
        """The settings that the method begins with."""
        return self.recipe.recipe().presets[self.preset.currentText()]

    def _changed(self) -> None:
        self.valueChanged.emit(self.value())

    def _settings(self) -> Any:
        if self._form is None:  # nobody has looked at them
            return self._preset
        return replace(self._preset, **self._form.asdict())

    def _use(self) -> None:
        self.model_requested.emit(folder_in(self.model))


def _for_buttons(state: LearnState) -> tuple[object, ...]:
    """Return what the buttons depend on; the rest is progress."""
    return (
        state.running,
        state.why_not,
        state.why_no_model,
    )
