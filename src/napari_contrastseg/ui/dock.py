"""The dock: four steps, and the wiring between panels and controller."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari  # noqa: TC002  napari reads the annotation
from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import (
    QDockWidget,
    QFileDialog,
    QLabel,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_contrastseg.session.review import slices_to_review
from napari_contrastseg.ui.data.controller import Controller
from napari_contrastseg.ui.data.panel import DataPanel, DataState
from napari_contrastseg.ui.embedding.dock import EmbeddingView
from napari_contrastseg.ui.embedding.export import ask_export
from napari_contrastseg.ui.embedding.linking import LinkedMap
from napari_contrastseg.ui.embedding.live import LiveEmbedding
from napari_contrastseg.ui.export.controller import export_session, missing
from napari_contrastseg.ui.export.panel import ExportPanel
from napari_contrastseg.ui.keys import bind_keys, help_text, unbind_keys
from napari_contrastseg.ui.learn.controller import LearnController
from napari_contrastseg.ui.learn.panel import LearnPanel
from napari_contrastseg.ui.review.panel import ReviewPanel, ReviewState
from napari_contrastseg.ui.widgets.notice import NoticeBar

if TYPE_CHECKING:
    from napari_contrastseg.tasks.events import Progress

_CANONICAL = ("axial", "coronal", "sagittal")


class ContrastSegWidget(QWidget):
    """Label, learn, review, export.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.controller = Controller(napari_viewer, self)
        self.runs = LearnController(self.controller)
        self.data, self.learn = DataPanel(), LearnPanel()
        self.review, self.export = ReviewPanel(), ExportPanel()
        self.embedding = EmbeddingView()
        view = self.embedding
        self.live = LiveEmbedding(self, view, self.runs, self.controller)
        self.linked = LinkedMap(view, self.controller)
        view.export_requested.connect(partial(ask_export, view))
        self._window: QWidget | None = None
        self._title = ""
        self._embedding_docked = False
        self._closed = self._leaving = False
        self._lay_out()
        self._connect_data()
        self._connect_learn()
        self._connect_review()
        bind_keys(napari_viewer, self.controller)
        napari_viewer.events.theme.connect(self._apply_theme)
        self._apply_theme()
        self.refresh()
        self._at_start = QTimer(self)
        self._at_start.setSingleShot(True)
        self._at_start.timeout.connect(self.controller.keeping.offer_lost)
        self._at_start.start(0)

    # -- building --------------------------------------------------------------

    def _lay_out(self) -> None:
        inner = QWidget()
        steps = QVBoxLayout(inner)
        steps.setContentsMargins(2, 2, 2, 2)
        self.steps: dict[str, QCollapsible] = {}
        for name, panel in (
            ("Data", self.data),
            ("Learn", self.learn),
            ("Review", self.review),
            ("Export", self.export),
        ):
            step = QCollapsible(name)
            step.addWidget(panel)
            step.expand(animate=False)
            step.setToolTip(f"Step {name}: click to fold")
            steps.addWidget(step)
            self.steps[name] = step
        self.help = QCollapsible("Keys")
        text = QLabel(help_text())
        text.setWordWrap(True)
        self.help.addWidget(text)
        steps.addWidget(self.help)
        steps.addStretch(1)
        self.map_button = QPushButton("Show embedding")
        self.map_button.setToolTip("Open the dock with t-SNE and silhouettes")
        self.map_button.clicked.connect(self.show_embedding)
        steps.addWidget(self.map_button)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        area.setWidget(inner)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.notice = NoticeBar()
        layout.addWidget(self.notice)
        layout.addWidget(area)
        self.setMinimumWidth(380)

    def _connect_data(self) -> None:
        panel, controller = self.data, self.controller
        panel.add_requested.connect(self._add_image)
        panel.add_selected_requested.connect(controller.add_selected)
        panel.volume_chosen.connect(controller.choose_volume)
        panel.remove_requested.connect(controller.remove_volume)
        panel.axis_chosen.connect(controller.set_axis)
        panel.slice_chosen.connect(controller.go_to)
        panel.done_requested.connect(controller.toggle_done)
        panel.lock_requested.connect(controller.protect.lock_slice)
        panel.origin_requested.connect(controller.protect.show_origin)
        panel.mask_requested.connect(self._take_mask)
        panel.save_requested.connect(controller.save)
        panel.open_requested.connect(controller.open)
        panel.new_requested.connect(controller.keeping.begin_anew)
        controller.keeping.offered.connect(self.notice.setValue)
        self.notice.answered.connect(controller.keeping.answer)
        table = panel.classes
        table.added.connect(controller.add_class)
        table.renamed.connect(controller.protect.rename_class)
        table.recoloured.connect(controller.protect.recolour_class)
        table.deleted.connect(controller.delete_class)
        table.locked.connect(controller.protect.lock_class)
        table.selected.connect(controller.choose_class)

    def _connect_learn(self) -> None:
        panel, runs = self.learn, self.runs
        panel.run_requested.connect(self._run_round)
        panel.pretrain_requested.connect(self._pretrain)
        panel.fine_tune_requested.connect(self._fine_tune)
        panel.pause_requested.connect(runs.pause)
        panel.cancel_requested.connect(runs.cancel)
        panel.resume_requested.connect(self._resume)
        panel.model_requested.connect(runs.use_model)
        runs.state_changed.connect(panel.setState)
        runs.progressed.connect(self._on_progress)
        runs.started.connect(panel.start_curves)
        self.live.rounds.embedded.connect(self._show_map_once)
        runs.started.connect(self._show_map_once)

    def _connect_review(self) -> None:
        panel, controller = self.review, self.controller
        reviewing = controller.review
        panel.round_chosen.connect(reviewing.bring_back)
        panel.compare_requested.connect(reviewing.compare)
        panel.threshold_moved.connect(reviewing.move_threshold)
        panel.threshold_settled.connect(reviewing.refresh_all)
        panel.next_requested.connect(reviewing.go_to_next)
        panel.accept_slice_requested.connect(reviewing.accept_slice)
        panel.accept_component_requested.connect(reviewing.accept_component)
        panel.accept_class_requested.connect(reviewing.accept_class)
        panel.reject_component_requested.connect(reviewing.reject_component)
        panel.reject_slice_requested.connect(reviewing.reject_slice)
        panel.reject_class_requested.connect(reviewing.reject_class)
        panel.undo_requested.connect(controller.undo)
        self.export.export_requested.connect(self._export)
        controller.changed.connect(self.refresh)

    # -- showing ---------------------------------------------------------------

    def refresh(self) -> None:
        """Bring the panels up to date with the session."""
        if self._closed:
            return
        controller = self.controller
        session, active = controller.session, controller.active
        record = session.records[active] if active is not None else None
        self.data.setValue(
            DataState(
                images=tuple(layer.name for layer in controller.free_images()),
                masks=tuple(layer.name for layer in controller.free_masks()),
                volumes=tuple(session.records),
                active=active,
                axes=self._axis_names(),
                axis=session.axis or 0,
                classes=session.classes,
                status=record.status if record is not None else None,
                locked=record.locked if record is not None else None,
                origin=active is not None and controller.shows(active, "origin"),
                current=controller.current_slice,
                folder=str(controller.folder or ""),
                kept=controller.keeping.words,
                recent=controller.keeping.recent,
            )
        )
        self.data.classes.choose(controller.paint_class)
        self.review.setValue(
            ReviewState(
                rounds=tuple(r.info.number for r in session.rounds),
                round=session.rounds.current.info.number
                if session.rounds.current
                else None,
                left=sum(len(slices_to_review(r)) for r in session.records.values()),
                classes=session.classes,
                thresholds=dict(session.all_thresholds()),
                next_words=controller.review.next_words,
                trust_words=controller.review.trust_words,
                undo=session.history.last,
                compared=controller.review.compared[0],
                compared_words=controller.review.compared[1],
            )
        )
        self.export.setMissing(missing(session))
        self.runs.refresh()

    def _axis_names(self) -> tuple[str, ...]:
        record = next(iter(self.controller.session.records.values()), None)
        names = tuple(f"axis {i}" for i in range(3))
        if record is not None and record.volume.anatomical:
            return tuple(f"{n} ({c})" for n, c in zip(names, _CANONICAL, strict=True))
        return names

    def _on_progress(self, progress: Progress) -> None:
        if progress.loss is not None:
            self.learn.add_point(progress.stage, progress.loss, progress.dice)

    def _show_map_once(self) -> None:
        """Open the dock with the map; who closes it has it closed."""
        if not self._embedding_docked:
            self.show_embedding()

    def show_embedding(self) -> None:
        """Open the embedding dock."""
        if self.embedding.parentWidget() is None or not self._embedding_docked:
            self.viewer.window.add_dock_widget(
                self.embedding, name="Embedding", area="bottom"
            )
            self._embedding_docked = True
        parent = self.embedding.parentWidget()
        if parent is not None:
            parent.show()

    def _apply_theme(self, _event: Any = None) -> None:
        theme = get_theme(self.viewer.theme)
        background = theme.background.as_hex()
        foreground = theme.text.as_hex()
        self.embedding.apply_theme(background, foreground)
        self.learn.apply_theme(background, foreground)

    # -- intents ---------------------------------------------------------------

    def _add_image(self, index: int) -> None:
        images = self.controller.free_images()
        if 0 <= index < len(images):
            self.controller.add_layers([images[index]])

    def _take_mask(self, index: int, all_done: bool) -> None:
        masks = self.controller.free_masks()
        if 0 <= index < len(masks):
            self.controller.take_mask(masks[index], all_done=all_done)

    def _run_round(self) -> None:
        self.runs.start("round", self.learn.value())

    def _pretrain(self) -> None:
        self.runs.start("pretrain", self.learn.value())

    def _fine_tune(self) -> None:
        self.runs.start("fine-tune", self.learn.value())

    def _resume(self) -> None:
        self.runs.resume()

    def _export(self) -> None:
        export_session(self.controller.session, self.export.value())

    # -- closing ---------------------------------------------------------------

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Watch the window, to ask before it closes with unsaved work."""
        window = self.window()
        if window is not self and window is not self._window and window is not None:
            window.installEventFilter(self)
            self._window = window
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
        if not self.controller.keeping.at_risk:
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
            return folder is not None and self.controller.save(folder)
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
        self.runs.close()
        self.live.close()
        self.linked.close()
        unbind_keys(self.viewer, self.controller)
        self.viewer.events.theme.disconnect(self._apply_theme)
        self.controller.close()
