r"""Long work in a background thread: one at a time, with progress and cancel.

::

    begin --> in a thread, `went_on` now and then --> then(what came of it)
                |                                  \-> otherwise(why not)
                +-- cancel --> GivenUpError there ---> otherwise(None)
                +-- close  --> as cancel; what came of it all the same is discarded
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QEventLoop, QObject, Qt, QTimer, Signal
from qtpy.QtGui import QGuiApplication

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.going_on import GivenUpError, heard_by
from napari_contrastseg.tasks.drive import Cancelled, Failed, Finished, failure
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.ui.notify import (
    notify_error,
    notify_errors,
    notify_info,
    words_of_disk,
)
from napari_contrastseg.ui.widgets.work_bar import WorkState
from napari_contrastseg.ui.worker import TaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.tasks.drive import Outcome

#: Milliseconds between two looks at whether a stroke is over.
STROKE_MS: Final = 100


def _say_why(words: str, error: BaseException | None) -> None:
    if error is None:
        notify_info(f"{words}: cancelled.")
    else:
        notify_error(str(error))


def _keep(_made: Any) -> None:
    """Nothing has to be let go."""


@dataclass(eq=False)
class _Begun:
    """Work that goes on, and what becomes of it.

    Attributes
    ----------
    made : list
        What came of it, once it is there.
    """

    words: str
    then: Callable[[Any], None]
    otherwise: Callable[[BaseException | None], None]
    discard: Callable[[Any], object]
    held: Session | None
    made: list[Any]


class LongWork(QObject):
    """Does one thing at a time in a thread, of which a person sees how far it is.

    Signals
    -------
    shown : WorkState or None
        What goes on now.
    ended : ()
        Nothing goes on any more; what came of it has been dealt with.
    """

    shown = Signal(object)
    ended = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = TaskRunner(self, awaited=True)
        self._runner.happened.connect(self._on_event)
        self._runner.ended.connect(self._on_ended)
        self._begun: _Begun | None = None
        self._now: WorkState | None = None
        self._is_awaited = False

    @property
    def now(self) -> WorkState | None:
        """What goes on, if anything does."""
        return self._now

    def need_rest(self) -> None:
        """Refuse what cannot be done meanwhile.

        Raises
        ------
        InputError
        """
        if self._begun is not None:
            raise InputError(_refusal(self._begun.words))

    def begin(
        self,
        words: str,
        work: Callable[[], Any],
        then: Callable[[Any], None],
        *,
        otherwise: Callable[[BaseException | None], None] | None = None,
        discard: Callable[[Any], object] = _keep,
        holding: Session | None = None,
    ) -> None:
        """Begin something.

        Parameters
        ----------
        words : str
            What goes on, for people: "Opening heart".
        work : callable
            Called in a thread; what it calls says with `io.going_on` how far it is.
        then : callable
            Gets what came of it, in the window's thread, between two strokes.
        otherwise : callable, optional
            Gets the error, None where it was cancelled; by default that is said.
        discard : callable
            Lets go of what came of it, where the window was closed meanwhile.
        holding : Session, optional
            Refuses changes in the meantime.

        Raises
        ------
        InputError
            Something goes on already.
        """
        self.need_rest()
        otherwise = otherwise or partial(_say_why, words)
        begun = _Begun(words, then, otherwise, discard, holding, [])
        self._begun = begun
        if holding is not None:
            holding.held = _refusal(words)
        self._show(WorkState(words))
        self._runner.begin(partial(_work, work, begun.made))

    def cancel(self) -> None:
        """Ask it to end; what was before stays."""
        if self._begun is not None:
            self._runner.cancel()
            words = f"{self._begun.words}: cancelled, ends soon"
            self._show(WorkState(words, ends=True))

    def finish(self) -> None:
        """Wait for the end, for whoever closes the window, which is still drawn.

        Nobody is heard meanwhile, so that a stroke under way is not waited for.
        """
        self._is_awaited = True
        try:
            while self._begun is not None:
                loop = QEventLoop()
                self.ended.connect(loop.quit)
                loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
                self.ended.disconnect(loop.quit)
        finally:
            self._is_awaited = False

    def close(self) -> None:
        """Cancel and wait; nothing is dealt with any more but what must be let go."""
        begun, self._begun = self._begun, None
        self._runner.close()
        if begun is not None:
            _free(begun)
            for made in begun.made:
                begun.discard(made)

    def _on_event(self, event: Any) -> None:
        begun = self._begun
        if begun is None or self._runner.cancelled:
            return
        if isinstance(event, Progress):
            self._show(WorkState(begun.words, event.fraction))

    def _on_ended(self, outcome: Outcome) -> None:
        self._runner.wait()
        self._conclude(outcome)

    def _conclude(self, outcome: Outcome) -> None:
        """Deal with the end; never in the middle of a stroke."""
        begun = self._begun
        if begun is None:
            return
        in_a_stroke = QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton
        if in_a_stroke and not self._is_awaited:
            QTimer.singleShot(STROKE_MS, partial(self._conclude, outcome))
            return
        self._begun = None
        _free(begun)
        self._show(None)
        try:
            with notify_errors():
                _deal_with(begun, outcome)
        finally:
            if self._begun is None:
                self.ended.emit()

    def _show(self, shown: WorkState | None) -> None:
        self._now = shown
        self.shown.emit(shown)


def _deal_with(begun: _Begun, outcome: Outcome) -> None:
    match outcome:
        case Finished():
            begun.then(begun.made[0])
        case Cancelled():
            begun.otherwise(None)
        case Failed():
            begun.otherwise(outcome.error)


def _refusal(words: str) -> str:
    return f"{words} is under way; wait for it, or press Cancel there."


def _free(begun: _Begun) -> None:
    if begun.held is not None:
        begun.held.held = ""


def _work(
    work: Callable[[], Any],
    made: list[Any],
    report: Callable[[Any], None],
    is_cancelled: Callable[[], bool],
) -> Outcome:
    """Do it in this thread; every end is an outcome."""

    def hear(part: float | None) -> None:
        if is_cancelled():
            raise GivenUpError
        if part is not None:
            report(Progress("", part))

    try:
        with heard_by(hear):
            made.append(work())
    except GivenUpError:
        return Cancelled()
    except OSError as error:
        words = InputError(words_of_disk(error))
        return Failed(str(words), words)
    except Exception as error:  # noqa: BLE001  every end is an outcome
        return _as_input_error(failure(error))
    return Finished()


def _as_input_error(failed: Failed) -> Failed:
    """Let the error of what nobody foresaw say its sentence, too."""
    if isinstance(failed.error, InputError):
        return failed
    return Failed(failed.message, InputError(failed.message))
