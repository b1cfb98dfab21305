"""Runs in the window: freezes the session into a request, applies what comes back."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtGui import QGuiApplication

from napari_contrastseg.io.errors import (
    ComputerMemoryError,
    DeviceMemoryError,
    InputError,
)
from napari_contrastseg.session.freeze import labelled_slices
from napari_contrastseg.session.proposals import Proposals
from napari_contrastseg.session.rounds import Round
from napari_contrastseg.tasks.drive import Cancelled, Failed, Finished
from napari_contrastseg.tasks.events import Note, Progress, StageReport, TrainingBegan
from napari_contrastseg.tasks.predict import Predicted
from napari_contrastseg.tasks.resumable import (
    read_run,
    resume_run,
    run_resumable,
    unfinished,
)
from napari_contrastseg.tasks.round import (
    Embedded,
    SlicesScored,
    Trained,
    propose_from,
)
from napari_contrastseg.tasks.watch import FeatureProbe, Probed
from napari_contrastseg.ui.learn.panel import LearnState
from napari_contrastseg.ui.learn.requests import (
    What,
    freeze,
    proposals_of,
    round_info,
    take_classes,
)
from napari_contrastseg.ui.learn.resumable_run import ResumableRun
from napari_contrastseg.ui.notify import (
    busy_cursor,
    notify_error,
    notify_errors,
    notify_info,
)
from napari_contrastseg.ui.widgets.notice import cpu_notice, unfinished_notice
from napari_contrastseg.ui.worker import TaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.rounds import RoundInfo
    from napari_contrastseg.tasks.requests import TrainRequest
    from napari_contrastseg.ui.learn.panel import LearnSettings
    from napari_contrastseg.ui.workspace import Workspace


READY = (
    "Round {number} is ready to review; layer 'pseudo-labels' shows what the network "
    "is sure of."
)


class LearnController(QObject):
    """Starts rounds and turns their events into session and panel state.

    Signals
    -------
    state_changed : LearnState
    progressed : Progress
    started : ()
        New curves begin.
    watched : Probed
        What the network makes of some voxels, while it learns.
    ended : ()
        Nothing runs any more.
    """

    state_changed = Signal(object)
    progressed = Signal(object)
    started = Signal()
    watched = Signal(object)
    ended = Signal()

    def __init__(
        self, workspace: Workspace, probe: Callable[[], FeatureProbe] = FeatureProbe
    ) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self.runner = TaskRunner(self)
        self.runner.event.connect(self._on_event)
        self.runner.ended.connect(self._on_ended)
        self.state = LearnState()
        self._probe = probe
        self._kept = ResumableRun(workspace)
        self._closed = False
        self._request: TrainRequest | None = None
        self._forget()
        workspace.session_replaced.connect(self._on_session_replaced)

    @property
    def weights(self) -> Model | None:
        """What the next training goes on from, and what is exported."""
        return self._workspace.session.rounds.weights

    def _is_running(self) -> bool:
        return self._workspace.busy or self.runner.running

    def _need_rest(self) -> None:
        if self._is_running():
            raise InputError("A task is running; cancel it or wait.")

    def _forget(self) -> None:
        self._predictions: dict[str, Any] = {}
        self._slices: dict[str, Any] = {}
        self._embedding: Embedded | None = None
        self._model: Model | None = None
        self._learned = self._tuned = self._trained = self._cancelled = False
        self._pretraining_only = False
        self._info: RoundInfo | None = None
        self._since = time.perf_counter()

    # -- intents ---------------------------------------------------------------

    def start(self, what: What, settings: LearnSettings) -> None:
        """Begin a round, or one half of it."""
        with notify_errors():
            self._need_rest()
            session = self._workspace.session
            request = self._kept.begin(freeze(session, what, settings))
            self._forget()
            self._set(message="")
            self._pretraining_only = what == "pretrain"
            info, keep = round_info(session, request), self._kept.folder
            propose = not self._pretraining_only
            task = run_resumable(
                request, keep, info, propose=propose, watch=self._probe()
            )
            self._begin(request, task, info)

    def resume(self, device: str | None = None) -> None:
        """Go on with the run that was cancelled or cut off."""
        with notify_errors(), busy_cursor():
            self._need_rest()
            folder, session = self._kept.folder, self._workspace.session
            if folder is None or not unfinished(folder):
                raise InputError("There is no run to go on with.")
            request, info, propose = read_run(folder, session)
            if device is not None:
                request = replace(request, device=device)
            request = self._kept.begin(request)
            self._forget()
            self._pretraining_only = not propose
            task = resume_run(request, propose=propose, watch=self._probe())
            self._begin(request, task, info)

    def use_model(self, folder: Path | None) -> None:
        """Predict the session's volumes with a model from a folder."""
        from napari_contrastseg.learning.models.model import load_model  # noqa: PLC0415

        with notify_errors(), busy_cursor():
            self._need_rest()
            session = self._workspace.session
            if not session.records:
                raise InputError("Add a volume first, then use a model on it.")
            if folder is None:
                raise InputError("Name the folder of a trained model first.")
            model = load_model(folder)
            for record in session.records.values():
                model.check_fits(record.volume)
            take_classes(session, model)
            request = replace(
                freeze(session, "fine-tune", None),
                recipe=model.card.recipe,
                start=model,
            )
            self._kept.leave()
            self._forget()
            self._model = model
            self._trained = True
            info = round_info(session, request)
            self._begin(request, propose_from(model, request, self._probe()), info)

    def pause(self, paused: bool) -> None:
        """Pause or go on."""
        self.runner.pause(paused)
        self._set(paused=paused)

    def cancel(self) -> None:
        """Stop; the weights so far are kept."""
        if self.runner.running:
            self._set(message="stopping ...", paused=False)
            self.runner.cancel()

    def refresh(self) -> None:
        """Say whether something can be run now."""
        session = self._workspace.session
        why = None
        if not session.records:
            why = "Add a volume in step Data first"
        elif not session.classes:
            why = "Add a class in step Data first"
        elif not labelled_slices(session):
            why = "Paint on a slice first, or mark one done"
        why_no_model = None if session.records else "Add a volume in step Data first"
        if (why, why_no_model) != (self.state.why_not, self.state.why_no_model):
            self._set(why_not=why, why_no_model=why_no_model)

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self._closed = True
        self._kept.close()
        self.runner.close()

    # -- making a request ------------------------------------------------------

    def _begin(
        self, request: TrainRequest, task: Generator[Any, None, None], info: RoundInfo
    ) -> None:
        session = self._workspace.session
        self._request, self._workspace.busy = request, True
        session.in_training = frozenset(c.id for c in request.classes)
        self._info = replace(info, number=session.rounds.next_number)
        self.started.emit()
        self._set(
            running=True,
            paused=False,
            stage="preparing",
            fraction=0.0,
            message="",
            unfinished="",
            device="",
        )
        self.runner.start(task)

    # -- applying events -------------------------------------------------------

    def _on_event(self, event: Any) -> None:
        if isinstance(event, Progress):
            self._learned = self._learned or event.loss is not None
            self._tuned = self._tuned or event.dice is not None
            self.progressed.emit(event)
            message = self.state.message if self.state.message == "stopping ..." else ""
            stage, fraction, eta = event.stage, event.fraction, event.eta
            self._set(stage=stage, fraction=fraction, eta=eta, message=message)
        elif isinstance(event, StageReport):  # a run that goes on tells of it alone
            self._learned = self._learned or event.steps > 0
            tuned = event.purpose == "fine-tune" and event.steps > 0
            self._tuned = self._tuned or tuned
        elif isinstance(event, TrainingBegan):
            self._model = event.model
            self._set(device=event.about)
        elif isinstance(event, Trained):
            self._trained = True
            self._workspace.session.add_weights(event.model)
        elif isinstance(event, Predicted):
            self._predictions[event.volume_id] = event.prediction
        elif isinstance(event, SlicesScored):
            self._slices[event.volume_id] = event.scores
        elif isinstance(event, Embedded):
            self._embedding = event
        elif isinstance(event, Probed):
            self.watched.emit(event)
        elif isinstance(event, Note):
            notify_info(event.text)

    def _on_ended(self, outcome: Any) -> None:
        """Deal with the end of a task; never in the middle of a stroke."""
        self.runner.wait()
        if self._closed:
            return
        if QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton:
            QTimer.singleShot(100, partial(self._on_ended, outcome))
            return
        self._workspace.busy = False
        self._set(running=False, paused=False, fraction=0.0, eta=None, message="")
        over = isinstance(outcome, Finished)
        try:
            self._apply(outcome)
        except MemoryError:
            over = False
            notify_error(
                "The memory of this computer ran out before the round could be shown; "
                "close other programs, then press Resume."
            )
        if over and not self._cancelled:
            self._kept.forget()  # it has become a round, or weights
        self._set(unfinished=self._kept.words)
        if not self.runner.running:
            self._workspace.session.in_training = frozenset()
            self._request, self._predictions = None, {}
            self.ended.emit()

    def _apply(self, outcome: Any) -> None:
        """Make a round of what came, or keep the weights, or say what went wrong."""
        if isinstance(outcome, Failed):
            self._set(message=outcome.message)
            error = outcome.error
            of_gpu = isinstance(error, DeviceMemoryError)
            if of_gpu and not isinstance(error, ComputerMemoryError):
                self._offer_cpu(outcome.message)
            else:
                notify_error(outcome.message)
        if not isinstance(outcome, Finished) and self._predicted_all():
            self._propose()  # the map alone is missing
            return
        if isinstance(outcome, Failed):
            return
        if isinstance(outcome, Cancelled):
            self._cancelled = True
            self._keep_best()
            return
        assert isinstance(outcome, Finished)
        if self._pretraining_only:
            self._set(fraction=1.0, message="Pretrained. Fine-tune next.")
        elif self._predictions:
            self._propose()

    def _predicted_all(self) -> bool:
        """Whether each volume of the run that is still there has been predicted."""
        if not self._predictions or self._request is None:
            return False
        asked = {entry.volume.id for entry in self._request.volumes}
        return asked & set(self._workspace.session.records) <= set(self._predictions)

    def _offer_cpu(self, message: str) -> None:
        self._workspace.questions.ask(
            cpu_notice(message), lambda: self.resume("cpu"), lambda: None
        )

    def _keep_best(self) -> None:
        """After a cancel: keep the weights, and propose from them if they learned."""
        if self._model is None or not self._learned:
            self._set(message="Cancelled before anything was learned.")
            return
        self._workspace.session.add_weights(self._model)
        if self._trained or not self._tuned or self._request is None:
            self._set(message="Cancelled; the weights so far are kept.")
            return
        notify_info("Cancelled; proposing from the weights so far.")
        self._trained = self._workspace.busy = True
        self._set(running=True, stage="predict", fraction=0.9, message="")
        self.runner.start(propose_from(self._model, self._request, self._probe()))

    def _propose(self) -> None:
        session = self._workspace.session
        assert self._info is not None
        assert self._model is not None
        number = self._info.number
        assert self._request is not None
        found = proposals_of(session, self._request, self._predictions, number)
        info = replace(
            self._info,
            seconds=round(time.perf_counter() - self._since, 2),
            silhouette=(
                session.by_name(self._embedding.silhouettes.classes)
                if self._embedding is not None
                else {}
            ),
        )
        slices = {name: s for name, s in self._slices.items() if name in found}
        made = Round(info, self._model, Proposals(found), self._embedding, slices)
        session.add_round(made)
        self._set(fraction=1.0, message=READY.format(number=number))

    def _on_session_replaced(self) -> None:
        self._request = None
        self._set(message="")
        self._set(unfinished=self._kept.words)
        if self.state.unfinished:
            notice = unfinished_notice(self.state.unfinished)
            self._workspace.questions.ask(notice, self.resume, lambda: None)
        self.refresh()

    def _set(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self.state_changed.emit(self.state)
