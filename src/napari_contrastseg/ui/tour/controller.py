"""The first-run tour: six steps on a sample, each waiting for the person."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from napari.utils.theme import get_theme
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.ui.tour.bar import ControlFrame, TourBar, bring_into_view
from napari_contrastseg.ui.tour.memory import remember, was_offered
from napari_contrastseg.ui.tour.steps import STEPS
from napari_contrastseg.ui.viewer.image_layers import layer_for

if TYPE_CHECKING:
    from napari_contrastseg.ui.dock_parts import DockParts

#: Milliseconds between two looks at whether a step is done.
LOOK_MS: Final = 150
#: Shape of the sample, and minutes of its round.
_SHAPE: Final = (24, 96, 96)
_MINUTES: Final = 0.5


class Tour(QObject):
    """Offers the tour once, in a bar above the dock, and leads through it.

    Parameters
    ----------
    dock : DockParts
        Its controls are found by name: what is not there is passed over.
    """

    def __init__(self, dock: DockParts) -> None:
        super().__init__(dock)
        self._dock = dock
        self.bar = TourBar()
        layout = dock.layout()
        if isinstance(layout, QVBoxLayout):
            layout.insertWidget(0, self.bar)
        self._frame = ControlFrame(get_theme(dock.viewer.theme).warning.as_hex())
        self._number: int | None = None
        self._since = 0.0
        self._minutes: float | None = None
        self._look = QTimer(self)
        self._look.setInterval(LOOK_MS)
        self._look.timeout.connect(self._on_look)
        self.bar.started.connect(self.start)
        self.bar.sample_wanted.connect(self._open_sample)
        self.bar.skipped.connect(self._next)
        self.bar.left.connect(self.leave)
        if not was_offered():
            self.bar.offer()

    def start(self) -> None:
        """Begin with the first step that is not done yet."""
        remember()
        self._number = None
        self._look.start()
        self._next()

    def leave(self) -> None:
        """End it."""
        remember()
        self._stop()
        self.bar.hide()

    def close(self) -> None:
        """Let go of its timer and frame."""
        self._stop()
        self._frame.deleteLater()

    def _stop(self) -> None:
        self._look.stop()
        self._number = None
        self._frame.surround(None)
        self._give_minutes_back()

    def _next(self) -> None:
        """Go on to the next step whose control is there."""
        self._give_minutes_back()
        self._number = 0 if self._number is None else self._number + 1
        while self._number < len(STEPS):
            name = STEPS[self._number].control
            if not name or self._control(name) is not None:
                break
            self._number += 1
        else:
            self._stop()
            self.bar.show_end()
            return
        step, self._since = STEPS[self._number], time.time()
        self.bar.show_step(
            self._number + 1, len(STEPS), step.words, sample=not step.control
        )
        if step.control == "run_bar.run":
            chosen = self._dock.learn.value()
            self._minutes = chosen.minutes
            self._dock.learn.setValue(replace(chosen, minutes=_MINUTES))
        control = self._control(step.control)
        if control is not None:
            bring_into_view(control)

    def _give_minutes_back(self) -> None:
        if self._minutes is not None:
            chosen = self._dock.learn.value()
            self._dock.learn.setValue(replace(chosen, minutes=self._minutes))
            self._minutes = None

    def _on_look(self) -> None:
        """Go on if the step is done; keep the frame around its control."""
        if self._number is None:
            return
        step = STEPS[self._number]
        if step.done(self._dock, self._since):
            self._next()
        if self._number is not None:
            self._frame.surround(self._control(STEPS[self._number].control))

    def _control(self, name: str) -> QWidget | None:
        """Find a control of the dock by name."""
        panel, _, attribute = name.partition(".")
        further: dict[str, Any] = getattr(self._dock, "further", {})
        if panel == "export":
            found: Any = getattr(further.get("Export"), "panel", None)
        else:
            found = getattr(self._dock, panel, None) if panel else None
        control = getattr(found, attribute, None) if attribute else None
        return control if isinstance(control, QWidget) else None

    def _open_sample(self) -> None:
        image, about, _ = layer_for(phantom(1, _SHAPE).volume)
        self._dock.viewer.add_image(image, **about)
