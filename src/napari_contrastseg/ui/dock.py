"""The dock: makes the steps and connects panels with controllers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import napari  # noqa: TC002  napari reads the annotation
from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QObject, QSize, QTimer
from qtpy.QtWidgets import (
    QDockWidget,
    QFileDialog,
    QLabel,
    QMessageBox,
    QVBoxLayout,
    QWidget,
)

from napari_contrastseg.ui.connections import connect
from napari_contrastseg.ui.dock_commands import dock_commands
from napari_contrastseg.ui.dock_parts import DockParts
from napari_contrastseg.ui.export.controller import ExportController
from napari_contrastseg.ui.follow_work import FollowWork
from napari_contrastseg.ui.keys import all_keys, help_text, keys_of, view_keys
from napari_contrastseg.ui.low_screen import LowScreen
from napari_contrastseg.ui.shortcuts import Shortcuts
from napari_contrastseg.ui.smart.controller import SmartController
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.tools.controller import ToolsController
from napari_contrastseg.ui.tour.controller import Tour
from napari_contrastseg.ui.tour.help import Help
from napari_contrastseg.ui.viewer.scale_bar import colour_bar
from napari_contrastseg.ui.viewer.unopened import WAITING
from napari_contrastseg.ui.widgets.column import Column
from napari_contrastseg.ui.widgets.forms import button, stacked
from napari_contrastseg.ui.widgets.keep_typing import KeepTyping
from napari_contrastseg.ui.widgets.message_stack import MessageStack
from napari_contrastseg.ui.widgets.step_tabs import StepTabs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_contrastseg.tasks.events import Progress
    from napari_contrastseg.ui.workspace import Workspace


class Closes(Protocol):
    """What lets go of its timers, threads and connections when the dock closes."""

    def close(self) -> None:
        """Let go of them."""
        ...


class Step(Closes, Protocol):
    """A step that needs nothing but the workspace."""

    @property
    def title(self) -> str:
        """A word or two above it."""
        ...

    @property
    def panel(self) -> QWidget:
        """What the dock shows of it."""
        ...

    @property
    def under_way(self) -> str:
        """What closing the window now would cut short, a sentence; "" for nothing."""
        ...

    def refresh(self) -> None:
        """Show what may have changed; called often, so it must be quick."""
        ...


#: Such steps, a tab each; a new one is one more line here.
STEPS: Final[Sequence[Callable[[Workspace], Step]]] = [
    ToolsController,
    SmartController,
    ExportController,
]
#: Pixels that the dock is wider than it must be, where nobody has said how wide.
_AIR: Final = 30
#: Steps that stand below another, in its tab.
_TAB_OF: Final = {"Smart tools": "Tools"}
#: Order of the tabs; others follow in the order of `STEPS`.
_ORDER: Final = ("Data", "Tools", "Learn", "Review")


class ContrastSegWidget(DockParts):
    """Label, learn, review, export.

    Parameters
    ----------
    napari_viewer : napari.Viewer

    Attributes
    ----------
    asks_before_leaving : bool
        Whether a person is there to be asked before work is cut short or lost.
    """

    asks_before_leaving = True

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        workspace = self.workspace
        further = [make(workspace) for make in STEPS]
        self.further = {step.title: step for step in further}
        self._keys = all_keys(
            workspace,
            self.data_controller,
            self.review_controller,
            self.queue_controller,
            self.similar,
            self.data.cohort.ask_next,
        )
        self._keys += (*view_keys(self.views), *keys_of(further))
        self._window: QWidget | None = None
        self._title = ""
        self._embedding_docked = False
        self._closed = self._leaving = False
        self.help_pages = Help(lambda: self.tabs.shown)
        self._lay_out()
        connect(self)
        workspace.changed.connect(self.refresh)
        workspace.slice_changed.connect(self._show_slice)
        self.data.mask_form.resized.connect(self._show_mask_form.start)
        self.learn_controller.found.connect(lambda _: self._show_cluster.start())
        workspace.session_closing.connect(self._forget)
        self._follow = FollowWork(workspace, self.tabs)
        WAITING.join(self.viewer, self.data_controller.ask_and_open)
        self.learn_controller.progressed.connect(self._on_progress)
        self.learn_controller.state_changed.connect(self._follow.on_run)
        self.learn_controller.ended.connect(self._follow.on_run_ended)
        self.live.framed.connect(self._on_map)
        self.round_map.embedded.connect(self._on_map)
        self.embedding.visible.connect(self._on_map_seen)
        exports = [s for s in further if isinstance(s, ExportController)]
        commands = dock_commands(
            self,
            exports[0].panel.run,
            show_map=self.show_embedding,
            show_help=self.help_pages.open,
            take_tour=self._take_tour,
        )
        self._shortcuts = Shortcuts(workspace, (*self._keys, *commands))
        self._shortcuts.changed.connect(self._list_keys)
        self._list_keys()
        self.tour = Tour(self)
        self._typing = KeepTyping(self)
        self._messages = MessageStack(lambda: self._window, self)
        self._low_screen = LowScreen(lambda: (self, self.embedding), self)
        napari_viewer.events.theme.connect(self._apply_theme)
        self._apply_theme()
        self.refresh()
        self._at_start = single_shot(self.session_controller.offer_lost, parent=self)
        self._at_start.start()

    # -- building --------------------------------------------------------------

    def _lay_out(self) -> None:
        panels: dict[str, list[QWidget]] = {
            "Data": [self.data],
            "Learn": [self.learn],
            "Review": [self.review],
        }
        for title, step in self.further.items():
            panels.setdefault(_TAB_OF.get(title, title), []).append(step.panel)
        self.steps = {
            name: stacked(*panels[name]) for name in sorted(panels, key=_place)
        }
        self.tabs = StepTabs(self.steps)
        self._show_mask_form = self._scroll("Data", self.data.mask_form)
        self._show_cluster = self._scroll("Learn", self.learn.cluster)
        self.keys = QLabel()
        self.keys.setWordWrap(True)
        self.help_button = button(
            "Tutorial for this step",
            "Open the tutorial at the step you are at",
            self.help_pages.open,
        )
        self.tour_button = button(
            "Take the tour", "Six steps on a sample, to a mask", self._take_tour
        )
        self.help = Column(stacked(self.help_button, self.tour_button, self.keys))
        self.help.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.notice)
        layout.addWidget(self.work_bar)
        layout.addWidget(self.header)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.help, 1)
        layout.addWidget(self.run_bar)
        layout.addWidget(self.review_bar)
        self.header.map_requested.connect(self.show_embedding)
        self.header.help_requested.connect(self._show_keys)

    def _scroll(self, step: str, what: QWidget) -> QTimer:
        """Give what scrolls to a part of a step, once it has taken its size."""
        page = self.tabs.page(step)
        return single_shot(
            lambda: page.ensureWidgetVisible(what, 0, 0), 100, parent=self
        )

    def _show_keys(self, on: bool) -> None:
        """Show the keys in place of the steps."""
        self.help.setVisible(on)
        self.tabs.setHidden(on)

    def _take_tour(self, _checked: bool = False) -> None:
        """Begin the tour, with the steps in view."""
        self.header.help.setChecked(False)
        self.tour.start()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for little more than the least width: the image needs the room."""
        return QSize(self.minimumSizeHint().width() + _AIR, super().sizeHint().height())

    # -- showing ---------------------------------------------------------------

    def refresh(self) -> None:
        """Show the steps' states; the panels change what differs."""
        if self._closed:
            return
        saving = self.session_controller
        data = replace(
            self.data_controller.state(),
            folder=str(saving.folder or ""),
            kept=saving.words,
            recent=saving.recent,
        )
        self.header.setValue(data)
        self.data.setValue(data)
        queue = self.queue_controller.state()
        review = replace(self.review_controller.state(), queue=queue)
        self.review.setValue(review)
        self.review_bar.setValue(review)
        for step in self.further.values():
            step.refresh()
        self.learn_controller.refresh()

    def _show_slice(self) -> None:
        if not self._closed:
            self.header.setCurrent(self.workspace.current_slice)
            self.data.setCurrent(self.workspace.current_slice)

    def _on_progress(self, progress: Progress) -> None:
        if progress.loss is not None:
            self.learn.curves.add_point(progress.stage, progress.loss, progress.dice)

    def _on_map(self) -> None:
        """Say at the button that there is a map to see, if nobody looks at it."""
        self.header.show_new_map(not self.embedding.isVisible())

    def _on_map_seen(self, seen: bool) -> None:
        if seen:
            self.header.show_new_map(False)

    def _forget(self) -> None:
        """Another session comes: no map and no curves of this one's are new."""
        self.header.show_new_map(False)
        self.learn.curves.forget()

    def show_embedding(self) -> None:
        """Open the dock with the map, as a tab beside this one."""
        if self.embedding.parentWidget() is None or not self._embedding_docked:
            self.viewer.window.add_dock_widget(
                self.embedding, name="Map", area="right", tabify=True
            )
            self._embedding_docked = True
        parent = self.embedding.parentWidget()
        if parent is not None:
            parent.show()
            parent.raise_()

    def _list_keys(self) -> None:
        self.keys.setText(help_text(self._keys, self._shortcuts.now))

    def _apply_theme(self, _event: Any = None) -> None:
        theme = get_theme(self.viewer.theme)
        background = theme.background.as_hex()
        foreground = theme.text.as_hex()
        self.embedding.apply_theme(background, foreground)
        self.learn.curves.apply_theme(background, foreground)
        colour_bar(self.viewer, theme.canvas.as_hex())

    # -- closing ---------------------------------------------------------------

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Watch the window, to ask before it closes with unsaved work."""
        window = self.window()
        other = window is not self and window is not self._window
        if other and window is not None and not self._closed:
            if self._window is not None:  # the dock, before it stood in the window
                self._window.removeEventFilter(self)
            window.installEventFilter(self)
            self._window = window
            self._low_screen.watch(window)
        dock = self.parentWidget()
        if isinstance(dock, QDockWidget):
            self._title = dock.windowTitle()
        super().showEvent(event)

    def event(self, event: QEvent | None) -> bool:
        """Notice that the dock's own x was pressed: napari only takes us out of it."""
        taken_out = event is not None and event.type() == QEvent.Type.ParentChange
        if taken_out and self._title and not self._closed and not self.parent():
            # by then napari is done with the dock; the partial keeps us alive
            QTimer.singleShot(0, partial(self._on_taken_out))
        return super().event(event)

    def _on_taken_out(self) -> None:
        """Leave, or come back into the window if the person would rather stay."""
        if self._closed or self.parent() is not None:
            return
        if self._may_leave():
            self.shut_down()
            self._close_embedding()
            self.deleteLater()
            return
        self.viewer.window.add_dock_widget(self, name=self._title, area="right")
        self.show()

    def _close_embedding(self) -> None:
        dock = self.embedding.parentWidget()
        if isinstance(dock, QDockWidget):
            self.viewer.window.remove_dock_widget(dock)
        self.embedding.deleteLater()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Ask before the window closes; then stop what runs."""
        if event is None or self._closed or watched is not self._window:
            return False
        if event.type() == QEvent.Type.Close:
            self._leaving = self._may_leave()
            if not self._leaving:
                event.ignore()
                return True
            if self._window is not None and not self._window.isVisible():
                self.shut_down()
        elif (
            event.type() == QEvent.Type.Hide
            and self._leaving
            and not event.spontaneous()
        ):
            self.shut_down()  # not before: napari may ask too, and the person stay
        return False

    def _may_leave(self) -> bool:
        if not self.asks_before_leaving:
            return True
        return self._may_cut_short() and self._may_lose()

    def _may_cut_short(self) -> bool:
        """Ask before a round, an export or the like ends early."""
        steps = [step.under_way for step in self.further.values()]
        ours = (
            self.learn_controller.under_way,
            self.data_controller.cohort.under_way,
            self.session_controller.under_way,
        )
        words = " ".join(filter(None, (*ours, *steps)))
        if not words:
            return True
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self,
            "Still at work",
            f"{words} Close all the same?",
            buttons.Close | buttons.Cancel,
        )
        return bool(answer == buttons.Close)

    def _may_lose(self) -> bool:
        """Ask before work that is on no disk is lost."""
        if not self.session_controller.at_risk:
            return True
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self,
            "Unsaved work",
            "This session cannot be written where it is kept. Save it elsewhere?",
            buttons.Save | buttons.Discard | buttons.Cancel,
        )
        if answer == buttons.Save:
            folder = self._ask_folder()
            return folder is not None and self.session_controller.save_now(folder)
        return bool(answer == buttons.Discard)

    def _ask_folder(self) -> Path | None:
        chosen = QFileDialog.getExistingDirectory(
            self, "Choose or make an empty folder for the session"
        )
        return Path(chosen) if chosen else None

    def closeEvent(self, event: Any) -> None:  # noqa: N802
        """Stop what runs and let go of the viewer."""
        self.shut_down()
        super().closeEvent(event)

    def shut_down(self) -> None:
        """Stop the running task and disconnect from the viewer; once is enough."""
        if self._closed:
            return
        self._closed = True
        if self._window is not None:
            self._window.removeEventFilter(self)
            self._window = None
        self._at_start.stop()
        WAITING.leave(self.viewer)
        self._shortcuts.close()
        self.viewer.events.theme.disconnect(self._apply_theme)
        parts: tuple[Closes, ...] = (
            self._follow,
            self.learn_controller,
            self.data_controller.cohort,
            self.forecast,
            self.live,
            self.round_map,
            self.linked,
            self.embedding_controller,
            self.review_controller,
            self.queue_controller,
            self.sources,
            self.background,
            self.person,
            self.live_answers,
            self.specks_controller,
            self.similar,
            self.chosen_label,
            self.other_labels,
            self.activity,
            self.views,
            self.tour,
            self._typing,
            self._messages,
            self._low_screen,
            self.help_pages,
            *self.further.values(),
            self.session_controller,
            self.workspace,
        )
        for part in parts:
            part.close()


def _place(title: str) -> int:
    """Place of a step's tab, beside others of the same."""
    return _ORDER.index(title) if title in _ORDER else len(_ORDER)
