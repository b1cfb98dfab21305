"""Cases of a cohort: list, open, close, mark as done, predict in the background."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_contrastseg.io.choice import (
    EVERYTHING,
    Choice,
    NotUprightError,
    SeveralPartsError,
)
from napari_contrastseg.io.cohort import find_cohort, read_case, read_case_labels
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.going_on import step_of
from napari_contrastseg.io.images import words_of_unpacking
from napari_contrastseg.io.plural import plural
from napari_contrastseg.session.case_note import CaseNote
from napari_contrastseg.session.cases import is_moved, joined, write_case_labels
from napari_contrastseg.session.storage.closed_images import read_later
from napari_contrastseg.session.storage.load import read_case_proposal
from napari_contrastseg.session.written_mask import (
    WrittenMask,
    settle_mask,
    unwrite_mask,
)
from napari_contrastseg.tasks.drive import Cancelled, Failed
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.tasks.predict_cases import (
    CaseFailed,
    CasePredicted,
    cases_request,
    into_folder,
    into_session,
    predict_cases,
)
from napari_contrastseg.ui.data.cohort_state import CohortState, next_case, rows_of
from napari_contrastseg.ui.data.file_question import ask_of_file
from napari_contrastseg.ui.notify import (
    busy_cursor,
    notify_error,
    notify_errors,
    notify_info,
)
from napari_contrastseg.ui.viewer.unopened import Unopened
from napari_contrastseg.ui.worker import TaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.cohort import CaseLabels, Cohort
    from napari_contrastseg.io.dataset import Case
    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.ui.workspace import Workspace


class CohortController(QObject):
    """The intents of the list of cases.

    Parameters
    ----------
    workspace : Workspace
    add : callable of a Volume
        Adds it to the session and shows it in layers of ours.

    Signals
    -------
    state_changed : CohortState
        A prediction went on; the workspace's `changed` announces all else.
    """

    state_changed = Signal(object)

    def __init__(self, workspace: Workspace, add: Callable[[Volume], None]) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._add = add
        self._failed: dict[str, str] = {}
        self._progress: float | None = None
        self._note = ""
        self._round = 0
        self.runner = TaskRunner(self)
        self.runner.happened.connect(self._on_event)
        self.runner.ended.connect(self._on_ended)
        workspace.session_closing.connect(self._forget)

    def state(self) -> CohortState:
        """Return what the panel shows."""
        session, active = self._workspace.session, self._workspace.active
        if session.cohort is None:
            return CohortState()
        mine = session.cohort.ids
        note = session.case_notes.get(active or "", CaseNote())
        return CohortState(
            rows_of(session, self._failed),
            active if active in mine else None,
            note.done,
            mine & set(session.records),
            self._why_not,
            self._progress,
            self._note,
        )

    @property
    def under_way(self) -> str:
        """What closing the window now would cut short."""
        if not self.runner.running:
            return ""
        return "Cases are being predicted; those that are still to come would not be."

    @property
    def _why_not(self) -> str | None:
        if self._workspace.session.rounds.current is None:
            return "Run a round first: its network predicts the cases"
        return None

    # -- the list --------------------------------------------------------------

    def open_cohort(self, folder: Path | None) -> None:
        """List the cases of a folder; reads no image."""
        session = self._workspace.session
        with notify_errors(), busy_cursor():
            if folder is None:
                raise InputError("Name a folder of cases first.")
            if self.runner.running:
                raise InputError(
                    "The cases are being predicted; press Cancel or wait, then list "
                    "others."
                )
            before, found = session.cohort, find_cohort(folder)
            session.set_cohort(joined(session, found))
            if before is not None and is_moved(before, found):
                notify_info(
                    f"The cases keep their labels: {before.root.name}, where they were "
                    "listed before, is not there any more."
                )
        self._workspace.changed.emit()

    def open_case(self, case_id: str, choice: Choice = EVERYTHING) -> None:
        """Open a case beside those that are open, or show it where it is.

        Its files are read in a thread.
        """
        workspace, session = self._workspace, self._workspace.session
        with notify_errors():
            if case_id in session.records:
                self._show(case_id)
                return
            workspace.work.need_rest()
            work, then = self._reading(case_id, choice)
            workspace.work.begin(
                f"Opening {case_id}",
                work,
                partial(then, case_id),
                otherwise=partial(self._say_unread, case_id, choice),
                holding=session,
            )

    def _reading(
        self, case_id: str, choice: Choice
    ) -> tuple[Callable[[], Any], Callable[[str, Any], None]]:
        """Give what reads a case, and what then opens it; says what it unpacks."""
        session = self._workspace.session
        if case_id in session.closed:
            volume = session.closed[case_id].volume
            return partial(_read_again, volume), self._open_again
        cohort, case = self._case(case_id)
        if not cohort.root.exists():
            raise InputError(
                f"{case_id}: cannot be read, because the folder of the cases is not "
                f"there any more; put it back as {cohort.root}, or list the one where "
                "they are now."
            )
        for path in case.images:
            words = words_of_unpacking(path, choice)
            if words:
                notify_info(words)
        return partial(_read_first, cohort, case, choice), self._open_first

    def _open_again(self, case_id: str, data: Sequence[NDArray[Any]]) -> None:
        self._workspace.session.open_volume(case_id, data)
        self._propose(case_id)
        self._show(case_id)

    def _open_first(
        self, case_id: str, found: tuple[Volume, CaseLabels | None]
    ) -> None:
        volume, labels = found
        self._add(volume)
        self._propose(case_id)
        self._show(case_id)
        if labels is not None:
            session = self._workspace.session
            self._workspace.work.begin(
                f"Taking the labels of {case_id}",
                partial(write_case_labels, session, case_id, labels),
                self._settle,
                discard=self._unwrite,
                holding=session,
            )

    def _settle(self, written: WrittenMask | None) -> None:
        if written is not None:
            settle_mask(self._workspace.session, written)

    def _unwrite(self, written: WrittenMask | None) -> None:
        if written is not None:
            unwrite_mask(self._workspace.session, written)

    def _show(self, case_id: str) -> None:
        self._workspace.choose_volume(case_id)
        self._workspace.registry.face_axis(case_id)

    def _say_unread(
        self, case_id: str, choice: Choice, error: BaseException | None
    ) -> None:
        """Say why a case is not open, or ask what of its file is meant."""
        if isinstance(error, SeveralPartsError | NotUprightError):
            _, case = self._case(case_id)
            asked = Unopened(case.images[0], case_id, choice, error)
            questions = self._workspace.questions
            ask_of_file(questions, asked, lambda found: self.open_case(case_id, found))
        elif error is not None:
            notify_error(str(error))
        else:
            notify_info(f"{case_id} was not opened.")

    def _propose(self, case_id: str) -> None:
        """Let an open case have what the current round says, be it on the disk."""
        workspace, session = self._workspace, self._workspace.session
        current, record = session.rounds.current, session.records[case_id]
        if current is None:
            return
        found = current.proposals.get(case_id)
        if found is not None and found is record.proposal:
            return
        if found is None and workspace.folder is not None:
            found = read_case_proposal(workspace.folder, current.info, record)
            if found is not None:
                current.proposals.add(case_id, found)
        if found is not None:
            session.show_proposal(case_id)

    def _case(self, case_id: str) -> tuple[Cohort, Case]:
        cohort = self._workspace.session.cohort
        case = cohort.case(case_id) if cohort is not None else None
        if cohort is None or case is None:
            raise InputError(f"{case_id}: there is no such case in the session.")
        return cohort, case

    def close_case(self) -> None:
        """Close the case that is worked on; its labels are kept."""
        workspace, session = self._workspace, self._workspace.session
        with notify_errors():
            case_id = workspace.need_active()
            self._case(case_id)
            record = session.records[case_id]
            later = read_later(record, lambda: session.cohort, lambda: workspace.folder)
            workspace.registry.remove_volume(case_id)
            session.close_volume(case_id, later)
            workspace.volume_removed.emit(case_id)
            if workspace.active is not None:
                workspace.choose_volume(workspace.active)
        workspace.changed.emit()

    def next_case(self, order: tuple[str, ...], worst: bool) -> None:
        """Close this case and open the next that is not done, as the list is sorted."""
        state = self.state()
        following = next_case(state, order, worst=worst)
        if following is None:
            notify_info("No case that is not done is left in this list.")
            return
        if state.active is not None:
            self.close_case()
        self.open_case(following)

    def mark_done(self, done: bool) -> None:
        """Say whether the case that is worked on is done."""
        session, active = self._workspace.session, self._workspace.active
        with notify_errors():
            self._case(active or "")
            assert active is not None
            note = session.case_notes.get(active, CaseNote())
            session.note_case(active, CaseNote(done, note.round, note.dice))

    # -- predicting ------------------------------------------------------------

    def predict(self, into_a_folder: bool, folder: Path | None) -> None:
        """Predict the cases in the background, into a folder or the session."""
        workspace, session = self._workspace, self._workspace.session
        with notify_errors():
            current = session.rounds.current
            if self.runner.running:
                return
            if self._why_not is not None or current is None:
                raise InputError("Run a round first: its network predicts the cases.")
            if into_a_folder:
                if folder is None:
                    raise InputError("Name a folder for the masks first.")
                keep = into_folder(session, folder, overwrite=False)
            else:
                keep = into_session(lambda: workspace.folder, current)
            request = cases_request(session, keep, every=into_a_folder)
            self._failed, self._progress, self._note = {}, 0.0, ""
            self._round = current.info.number
            self.runner.start(predict_cases(request))
        workspace.changed.emit()

    def cancel(self) -> None:
        """Stop predicting; what is done stays."""
        self.runner.cancel()

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self.runner.close()

    def _on_event(self, event: Any) -> None:
        session = self._workspace.session
        if isinstance(event, Progress):
            self._progress = event.fraction
            self.state_changed.emit(self.state())
        elif isinstance(event, CaseFailed):
            self._failed[event.case_id] = event.why
            self.state_changed.emit(self.state())
        elif isinstance(event, CasePredicted):
            done = session.case_notes.get(event.case_id, CaseNote()).done
            with notify_errors():
                note = CaseNote(done, self._round, event.dice)
                session.note_case(event.case_id, note)
                self._show_now(event.case_id)

    def _show_now(self, case_id: str) -> None:
        """Show what was predicted of a case that was opened after the round."""
        session = self._workspace.session
        if case_id not in session.records:
            return
        before = session.records[case_id].proposal
        self._propose(case_id)
        if session.records[case_id].proposal is not before:
            session.proposals_changed.emit()

    def _on_ended(self, outcome: Any) -> None:
        self.runner.wait()
        self._progress = None
        words = []
        if isinstance(outcome, Failed):
            words.append(outcome.message)
        if isinstance(outcome, Cancelled):
            words.append("Cancelled; what was predicted stays.")
        if self._failed:
            case_id, why = next(iter(self._failed.items()))
            count = plural(len(self._failed), "case")
            words.append(f"{count} could not be predicted; {case_id}: {why}")
        self._note = " ".join(words)
        self._workspace.changed.emit()

    def _forget(self) -> None:
        """Another session comes: nothing of this one's is reported any more."""
        self.runner.drop()
        self._failed, self._progress, self._note = {}, None, ""


def _read_first(
    cohort: Cohort, case: Case, choice: Choice
) -> tuple[Volume, CaseLabels | None]:
    """Read a case's image, then its labels where there are some."""
    with step_of(0, 2):
        volume = read_case(cohort, case, choice)
    with step_of(1, 2):
        return volume, read_case_labels(cohort, case, volume)


def _read_again(volume: Volume) -> list[NDArray[Any]]:
    """Read the image of a case that was closed."""
    found = []
    for number in range(len(volume.data)):
        with step_of(number, len(volume.data)):
            found.append(volume.part(number))
    return found
