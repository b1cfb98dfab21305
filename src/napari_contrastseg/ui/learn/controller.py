"""Runs in the window: freezes the session into a request, adds what comes back."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtGui import QGuiApplication

from napari_contrastseg.io.errors import (
    ComputerMemoryError,
    DeviceMemoryError,
    InputError,
)
from napari_contrastseg.session.freeze import labelled_slices
from napari_contrastseg.session.round_check import add_unless_worse
from napari_contrastseg.tasks.cluster.executor import ClusterExecutor
from napari_contrastseg.tasks.cluster.place import LostConnectionError
from napari_contrastseg.tasks.cluster.what_is_there import what_is_there
from napari_contrastseg.tasks.drive import always
from napari_contrastseg.tasks.events import Note, Progress
from napari_contrastseg.tasks.executors.thread import ThreadExecutor
from napari_contrastseg.tasks.feature_probe import FeatureProbe, Probed
from napari_contrastseg.tasks.predict import PredictedSlices, ShownSlice
from napari_contrastseg.tasks.resumable import read_run, unfinished
from napari_contrastseg.tasks.round import Trained
from napari_contrastseg.tasks.round_job import (
    ProposalRequest,
    RoundNow,
    RoundRequest,
    beginning,
    going_on,
    proposing,
)
from napari_contrastseg.tasks.round_result import RoundResult, round_of
from napari_contrastseg.ui.in_window import in_window
from napari_contrastseg.ui.learn.panel_state import (
    LastRun,
    LearnState,
    SessionFacts,
    learn_state,
)
from napari_contrastseg.ui.learn.requests import (
    What,
    fitting_model,
    freeze,
    round_info,
    take_classes,
)
from napari_contrastseg.ui.learn.resumable_run import ResumableRun
from napari_contrastseg.ui.learn.run_state import Conclusion, RunInProgress, RunState
from napari_contrastseg.ui.notify import (
    busy_cursor,
    notify_error,
    notify_errors,
    notify_info,
)
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.widgets.notice import (
    cpu_notice,
    lost_notice,
    unfinished_notice,
)
from napari_contrastseg.ui.worker import TaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.tasks.drive import Failed, Outcome
    from napari_contrastseg.tasks.executors.executor import Executor, Job
    from napari_contrastseg.tasks.round import RoundEvent
    from napari_contrastseg.ui.learn.panel import LearnSettings
    from napari_contrastseg.ui.workspace import Workspace


READY = (
    "Round {number} is ready to review: what the network is sure of is filled, what it "
    "is not has an outline alone."
)
#: Milliseconds between two looks at whether a stroke is over.
STROKE_MS = 100
#: Milliseconds without a change, once there is a volume, until the place where rounds
#: run gets ready: loading torch would take the core that strokes are drawn by.
AHEAD_MS = 3000
#: Milliseconds in which what a run notes is gathered into one notification.
NOTES_MS = 1000
#: Seconds that a run has to keep its work when the window closes.
LEAVE_SECONDS = 5.0


class LearnController(QObject):
    """Starts rounds and turns their events into session and panel state.

    Parameters
    ----------
    workspace : Workspace
    probe : callable
        How to look at a network while it learns.
    executor : Executor, optional
        Where rounds run on this computer; by default in this process.

    Attributes
    ----------
    cluster : str
        Where a run goes on that is taken up; empty for this computer.

    Signals
    -------
    state_changed : LearnState
    progressed : Progress
    started : ()
        New curves begin.
    probed : Probed
        What the network makes of some voxels, while it learns.
    sliced : PredictedSlices
        What the network says of slices, the shown one first, while others follow.
    ended : ()
        Nothing runs any more.
    found : str
        What answers at an address that was tested.
    """

    state_changed = Signal(object)
    progressed = Signal(object)
    started = Signal()
    probed = Signal(object)
    sliced = Signal(object)
    ended = Signal()
    found = Signal(str)

    def __init__(
        self,
        workspace: Workspace,
        probe: Callable[[], FeatureProbe] = FeatureProbe,
        executor: Executor | None = None,
    ) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self.executor: Executor = executor or ThreadExecutor()
        self.cluster = ""
        self._place: Executor = self.executor
        self.runner = TaskRunner(self)
        self.runner.happened.connect(self._on_event)
        self.runner.ended.connect(self._on_ended)
        self.state = LearnState()
        self._probe = probe
        self._is_watched: Callable[[], bool] = always
        self._ahead = single_shot(self._start_ahead, AHEAD_MS, self)
        self._notes: list[str] = []
        self._say_notes = single_shot(self._notify, NOTES_MS, self)
        self._kept = ResumableRun(workspace)
        self._run: RunInProgress | None = None
        self._facts = SessionFacts()
        self._shown: ShownSlice | None = None  # read by the task's thread
        workspace.session_replaced.connect(self._on_session_replaced)
        workspace.slice_changed.connect(self._on_shown)
        workspace.changed.connect(self._on_shown)

    @property
    def weights(self) -> Model | None:
        """What the next training goes on from, and what is exported."""
        return self._workspace.session.rounds.weights

    @property
    def under_way(self) -> str:
        """What closing the window would cut short, a sentence; "" for nothing."""
        if self._run is None:
            return ""
        number = self._run.collected.info.number
        if not self._kept.is_kept:
            return f"Round {number} is not ready, and nothing of it is kept yet."
        return (
            f"Round {number} is not ready; it can go on where it was once the session "
            "is open again."
        )

    # -- intents ---------------------------------------------------------------

    def start(self, what: What, settings: LearnSettings) -> None:
        """Begin a round, or one half of it."""
        with notify_errors():
            self._workspace.need_rest()
            self._place = self._place_at(settings.cluster)
            session = self._workspace.session
            request = freeze(session, what, settings, self._workspace.pretrained)
            self._kept.begin()
            info = round_info(session, request)
            run = RunInProgress(request, RoundResult(info), proposes=what != "pretrain")
            probe, folder = self._probe_now(), self._kept.folder
            asked = RoundRequest(request, info, folder, run.proposes, probe)
            self._begin(run, beginning(asked))

    def resume(self, device: str | None = None, cluster: str | None = None) -> None:
        """Go on with the run that was cancelled or cut off.

        Parameters
        ----------
        device : str, optional
            In place of the run's.
        cluster : str, optional
            Where; by default where the person has chosen.
        """
        with notify_errors(), busy_cursor():
            self._workspace.need_rest()
            where = self.cluster if cluster is None else cluster
            self._place = self._place_at(where)
            folder, session = self._kept.folder, self._workspace.session
            if folder is None or not unfinished(folder):
                raise InputError("There is no run to go on with.")
            request, info, propose = read_run(folder, session)
            if device is not None:
                request = replace(request, device=device)
            self._kept.begin()
            run = RunInProgress(request, RoundResult(info), proposes=propose)
            probe = self._probe_now()
            asked = RoundRequest(request, info, folder, propose, probe)
            self._begin(run, going_on(asked))

    def use_model(self, folder: Path | None) -> None:
        """Predict the session's volumes with a model, which is read in a thread."""
        with notify_errors():
            self._workspace.need_rest()
            session = self._workspace.session
            if not session.records:
                raise InputError("Add a volume first, then use a model on it.")
            if folder is None:
                raise InputError("Name the folder of a trained model first.")
            self._workspace.work.begin(
                f"Reading the model {folder.name}",
                partial(fitting_model, session, folder),
                lambda found: self._predict_with(*found),
                holding=session,
            )

    def _predict_with(
        self, model: Model, found: list[tuple[Volume, str | None]]
    ) -> None:
        self._workspace.need_rest()
        session = self._workspace.session
        take_classes(session, model)
        for volume, assumed in found:
            if assumed is not None:
                z, y, x = volume.spacing.tolist()
                self._workspace.set_voxel_size(volume.id, (z, y, x))
                notify_info(assumed)
        request = replace(
            freeze(session, "fine-tune", None),
            recipe=model.card.recipe,
            start=model,
        )
        self._kept.leave()
        result = RoundResult(round_info(session, request), model)
        self._place = self.executor
        run = RunInProgress(request, result, state=RunState.PREDICTING)
        asked = ProposalRequest(model, request, self._probe_now())
        self._begin(run, proposing(asked))

    def choose(self, settings: LearnSettings) -> None:
        """Take where the person wants rounds to run."""
        self.cluster = settings.cluster

    def test(self, address: str) -> None:
        """Find out what answers at an address, in a thread."""
        with notify_errors():
            self._workspace.work.begin(
                f"Looking at {address}",
                partial(what_is_there, address),
                self.found.emit,
                otherwise=self._say_why_not,
            )

    def _say_why_not(self, error: BaseException | None) -> None:
        self.found.emit("" if error is None else in_window(str(error)))

    def _place_at(self, cluster: str) -> Executor:
        """Give where a run goes.

        Raises
        ------
        InputError
            The address may not be used.
        """
        return ClusterExecutor(cluster) if cluster else self.executor

    def pause(self, paused: bool) -> None:
        """Pause or go on."""
        if self._run is not None and self._run.pause(paused):
            self.runner.pause(paused)
        self._show()

    def cancel(self) -> None:
        """Stop; the weights so far are kept."""
        if self._run is not None and self._run.cancel():
            self._show()
            self.runner.cancel()

    def refresh(self) -> None:
        """Say whether something can be run now."""
        session = self._workspace.session
        facts = replace(
            self._facts,
            volumes=bool(session.records),
            classes=bool(session.classes),
            labels=labelled_slices(session) > 0,
        )
        if facts.volumes and (self._ahead.isActive() or not self._facts.volumes):
            self._ahead.start()
        if facts != self._facts:
            self._facts = facts
            self._show()

    def show_forecast(self, text: str) -> None:
        """Show what Run round would do."""
        self._facts = replace(self._facts, forecast=text)
        self._show()

    def close(self) -> None:
        """Stop the task and wait for it; an end that comes later does nothing."""
        self._run = None
        self._kept.close()
        self._ahead.stop()
        self._say_notes.stop()
        self.runner.close(LEAVE_SECONDS)
        self.executor.close()
        self.runner.wait()

    # -- while a run goes on ---------------------------------------------------

    def _begin(self, run: RunInProgress, job: Job) -> None:
        session = self._workspace.session
        self._run, self._workspace.busy = run, True
        session.in_training = frozenset(c.id for c in run.request.classes)
        info = run.collected.info
        run.collected.info = replace(info, number=session.rounds.next_number)
        self._facts = replace(self._facts, unfinished="", last=LastRun())
        self.started.emit()
        self._show()
        self.runner.run(self._place, job, self._now)

    def _start_ahead(self) -> None:
        self.executor.start_ahead()

    def _on_event(self, event: RoundEvent) -> None:
        if self._run is None:
            return
        self._run.apply(event)
        match event:
            case Progress():
                self.progressed.emit(event)
            case Trained():
                self._workspace.session.add_weights(event.model)
            case Probed():
                self.probed.emit(event)
            case PredictedSlices():
                self.sliced.emit(event)
            case Note():
                self._notes.append(event.text)
                self._say_notes.start()
        self._show()

    def _probe_now(self) -> FeatureProbe:
        """Say how to look at the network; whether to is asked by `_now`."""
        probe = self._probe()
        self._is_watched = probe.wanted
        return replace(probe, wanted=always)

    def _now(self) -> RoundNow:
        """Say what the task asks; called in the runner's thread."""
        return RoundNow(self._shown, self._is_watched(), self._kept.is_ours)

    def _on_shown(self) -> None:
        """Note which slice is shown, for the task's thread to read."""
        workspace = self._workspace
        name = workspace.active
        if name is None:
            self._shown = None
        else:
            axis = workspace.session.records[name].axis
            self._shown = ShownSlice(name, axis, workspace.current_slice)

    # -- when it has ended -----------------------------------------------------

    def _on_ended(self, outcome: Outcome) -> None:
        self.runner.wait()
        if self._run is not None:
            self._run.end(outcome)
            self._conclude_after_stroke()

    def _conclude_after_stroke(self) -> None:
        """Deal with the end of a run; never in the middle of a stroke."""
        if self._run is None:
            return
        if QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton:
            QTimer.singleShot(STROKE_MS, self._conclude_after_stroke)
            return
        run, self._run, self._workspace.busy = self._run, None, False
        self._show()
        try:
            self._conclude(run)
        except MemoryError:
            notify_error(
                "The memory of this computer ran out before the round could be shown; "
                "close other programs, then press Resume."
            )
        else:
            if run.is_complete(self._workspace.session.records):
                self._kept.forget()  # it has become a round, or weights
        self._facts = replace(self._facts, unfinished=self._kept.words)
        self._show()
        if self._run is None:
            self._workspace.session.in_training = frozenset()
            self.ended.emit()

    def _conclude(self, run: RunInProgress) -> None:
        """Make a round of what came, or keep the weights, or say what went wrong."""
        session = self._workspace.session
        if run.failure is not None:
            self._report(run.failure)
        match run.conclusion(session.records):
            case Conclusion.ROUND:
                made = round_of(session, run.request, run.collected, run.seconds)
                worse = add_unless_worse(session, made)
                ready = READY.format(number=made.info.number)
                words = ready if worse is None else str(worse)
                self._say(words, fraction=1.0)
                if run.failure is None:  # which is said already
                    self._notify(words)
            case Conclusion.PRETRAINED:
                self._say("Pretrained. Fine-tune next.", fraction=1.0)
                self._notify("Pretrained. Fine-tune next.")
            case Conclusion.PREDICTION:
                model = self._keep_weights(run)
                self._notify("Cancelled; proposing from the weights so far.")
                self._predict_now(run, model)
            case Conclusion.WEIGHTS:
                self._keep_weights(run)
                self._say("Cancelled; the weights so far are kept.")
            case Conclusion.NOTHING_LEARNED:
                self._say("Cancelled before anything was learned.")
            case Conclusion.NOTHING:
                pass

    def _notify(self, *words: str) -> None:
        """Say it in one notification, with what the run has noted just before."""
        self._say_notes.stop()
        said, self._notes = [*words, *self._notes], []
        if said:
            notify_info(" ".join(said))

    def _report(self, failure: Failed) -> None:
        self._say(failure.message)
        error = failure.error
        of_gpu = isinstance(error, DeviceMemoryError)
        if of_gpu and not isinstance(error, ComputerMemoryError):
            self._offer_cpu(failure.message)
        elif isinstance(error, LostConnectionError) and self._kept.words:
            self._offer_both(failure.message)
        else:
            notify_error(failure.message)

    def _offer_cpu(self, message: str) -> None:
        self._workspace.questions.ask(
            cpu_notice(message), lambda: self.resume("cpu"), lambda: None
        )

    def _offer_both(self, message: str) -> None:
        """Ask where a run goes on whose connection is lost."""
        place = self._place
        where = place.address if isinstance(place, ClusterExecutor) else ""
        self._workspace.questions.ask(
            lost_notice(message, self._kept.words),
            lambda: self.resume(cluster=where),
            lambda: self.resume(cluster=""),
            lambda: None,
        )

    def _keep_weights(self, run: RunInProgress) -> Model:
        model = run.collected.model
        assert model is not None
        self._workspace.session.add_weights(model)
        return model

    def _predict_now(self, run: RunInProgress, model: Model) -> None:
        run.predict_now()
        self._run, self._workspace.busy = run, True
        self._show()
        asked = ProposalRequest(model, run.request, self._probe_now())
        self.runner.run(self._place, proposing(asked), self._now)

    # -- what the panel shows --------------------------------------------------

    def _on_session_replaced(self) -> None:
        self._facts = replace(self._facts, unfinished=self._kept.words, last=LastRun())
        self._show()
        if self.state.unfinished:
            notice = unfinished_notice(self.state.unfinished)
            self._workspace.questions.ask(notice, self.resume, lambda: None)
        self.refresh()

    def _say(self, message: str, fraction: float = 0.0) -> None:
        self._facts = replace(self._facts, last=LastRun(in_window(message), fraction))
        self._show()

    def _show(self) -> None:
        self.state = learn_state(self._run, self._facts)
        self.state_changed.emit(self.state)
