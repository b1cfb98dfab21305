"""Tasks in a process of its own: as in a thread, and whatever happens to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

from napari_contrastseg.io.errors import DeviceMemoryError
from napari_contrastseg.io.scratch import SCRATCH_VARIABLE
from napari_contrastseg.learning.runtime.cores import PERSON
from napari_contrastseg.tasks.drive import Cancelled, Failed, Finished
from napari_contrastseg.tasks.events import Note, Progress
from napari_contrastseg.tasks.executors import process as process_module
from napari_contrastseg.tasks.executors.executor import Job, UnavailableError
from napari_contrastseg.tasks.executors.first_available import FirstAvailable
from napari_contrastseg.tasks.executors.process import ProcessExecutor
from napari_contrastseg.tasks.executors.sharing import LARGE
from napari_contrastseg.tasks.executors.thread import ThreadExecutor
from napari_contrastseg.tasks.priority import ROUND_NICENESS
from tests.kit.jobs import Asked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.tasks.drive import Outcome
    from napari_contrastseg.tasks.executors.executor import Executor

KIT = "tests.kit.jobs:"


def run(
    executor: Executor,
    name: str,
    asked: Asked | None = None,
    *,
    resume: str = "",
    is_cancelled: Callable[[], bool] = lambda: False,
    now: Callable[[], Any] = lambda: None,
    report: Callable[[Any], None] = lambda _: None,
) -> tuple[Outcome, list[Any]]:
    events: list[Any] = []

    def take(event: Any) -> None:
        events.append(event)
        report(event)

    job = Job(KIT + name, asked or Asked(), KIT + resume if resume else "")
    return executor.run(job, take, is_cancelled, now), events


def test_a_task_runs_elsewhere_and_sees_what_the_person_does(
    process: ProcessExecutor,
) -> None:
    PERSON.acts(ago=-1e9)  # however long the process takes to load
    turns = iter(range(10))
    outcome, events = run(process, "where", now=lambda: next(turns))
    assert outcome == Finished()
    assert [now for _, now, _ in events] == [0, 1, 2]
    assert all(there for *_, there in events)
    assert {pid for pid, *_ in events} == {process.pid}
    assert process.pid != os.getpid()
    PERSON.acts(ago=1e9)
    _, events = run(process, "where")
    assert not any(there for *_, there in events)


def test_progress_right_after_something_else_arrives(process: ProcessExecutor) -> None:
    _, events = run(process, "progressing")
    assert events == [3, Progress("predict", 0.5)]


@pytest.mark.skipif(sys.platform != "linux", reason="threads share one priority")
def test_the_process_gives_way_to_the_window(process: ProcessExecutor) -> None:
    run(process, "where")
    assert process.pid is not None
    niceness = max(ROUND_NICENESS, os.getpriority(os.PRIO_PROCESS, 0))
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == niceness


def test_arrays_travel_through_files_that_are_gone_afterwards(
    process: ProcessExecutor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(SCRATCH_VARIABLE, str(tmp_path))
    large = np.random.default_rng(0).normal(size=(6, LARGE // 8, 2))
    half = large.astype(np.float16).ravel()
    given: tuple[NDArray[Any], ...] = (large, large.T[:, ::-1], half, np.arange(3))
    before = [array.copy() for array in given]
    outcome, events = run(process, "doubled", Asked(given))
    assert outcome == Finished()
    for array, was, found in zip(given, before, events, strict=True):
        assert np.array_equal(array, was)  # what the task does there stays there
        assert found.dtype == was.dtype
        assert np.array_equal(found, np.multiply(was, 2))
    assert not list(tmp_path.iterdir())


def test_arrays_lie_in_memory_as_they_did(process: ProcessExecutor) -> None:
    array = np.zeros((2, LARGE, 3), np.uint8)
    given = Asked((array, array.T, array.transpose(1, 2, 0)))
    assert run(process, "layout", given) == run(ThreadExecutor(), "layout", given)


def test_an_error_comes_back_with_its_type(process: ProcessExecutor) -> None:
    outcome, events = run(process, "raises")
    assert events == [1]
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, DeviceMemoryError)
    assert outcome.message == "cuda:0: its memory ran out."
    outcome, _ = run(process, "raises_what_cannot_travel")
    assert isinstance(outcome, Failed)
    assert "Something went wrong" in outcome.message


def test_a_cancelled_task_is_closed_there(
    process: ProcessExecutor, tmp_path: Path
) -> None:
    seen: list[Any] = []
    outcome, _ = run(
        process,
        "counts",
        Asked(count=1000, marker=tmp_path / "reached"),
        report=seen.append,
        is_cancelled=lambda: len(seen) >= 3,
    )
    assert outcome == Cancelled()
    assert seen == [0, 1, 2]
    assert (tmp_path / "reached.closed").exists()


def test_the_task_waits_while_its_event_is_not_taken(
    process: ProcessExecutor, tmp_path: Path
) -> None:
    reached = tmp_path / "reached"
    during: list[str] = []

    def pause(_event: Any) -> None:
        time.sleep(0.05)
        during.append(reached.read_text())

    run(process, "counts", Asked(marker=reached), report=pause)
    assert during == ["0", "1", "2"]


@pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")
def test_a_crash_costs_a_sentence_and_the_task_goes_on(
    process: ProcessExecutor, tmp_path: Path
) -> None:
    asked = Asked(marker=tmp_path / "kept")
    outcome, events = run(process, "crashes", asked, resume="goes_on")
    assert outcome == Finished()
    first, note, last = events
    assert (first, last) == ("begun", "goes on")
    assert "crashed (SIGSEGV)" in note.text
    assert "goes on from its last checkpoint" in note.text


@pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")
def test_a_task_that_always_crashes_ends(
    process: ProcessExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "MOST_CHILDREN", 2)
    outcome, events = run(process, "crashes", Asked(marker=tmp_path / "kept"))
    assert isinstance(outcome, Failed)
    assert "crashed (SIGSEGV), as drivers may, 2 times" in outcome.message
    assert sum(isinstance(event, Note) for event in events) == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")
def test_a_killed_process_is_replaced(process: ProcessExecutor) -> None:
    killed: list[int] = []

    def kill(event: Any) -> None:
        if not killed:
            killed.append(event[0])
            os.kill(event[0], signal.SIGKILL)

    outcome, events = run(process, "where", report=kill)
    assert outcome == Finished()
    assert "was killed" in events[1].text
    assert "begins again in a fresh process" in events[1].text
    assert events[2][0] != killed[0]


def test_what_cannot_be_given_away_runs_here_and_that_is_said(
    process: ProcessExecutor,
) -> None:
    both = FirstAvailable(process, ThreadExecutor())
    secret = Asked(count=1, marker=lambda: 1)  # type: ignore[arg-type]
    outcome, events = run(both, "where", secret)
    assert outcome == Finished()
    assert "cannot be given to another process" in events[0].text
    assert "runs in the window's own process" in events[0].text
    assert events[1][0] == os.getpid()


def test_without_a_process_a_task_runs_here_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("not allowed here")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    alone = ProcessExecutor()
    alone.start_ahead()
    with pytest.raises(UnavailableError, match="not allowed here"):
        run(alone, "where")
    _, events = run(FirstAvailable(alone, ThreadExecutor()), "where")
    assert "No process of its own could be started" in events[0].text
    assert events[1][0] == os.getpid()


def test_what_takes_long_is_loaded_ahead_of_the_first_job() -> None:
    alone = ProcessExecutor()
    outcome, events = run(alone, "loaded")
    alone.close()
    assert (outcome, events) == (Finished(), [list(process_module.AHEAD)])


def test_a_process_that_loads_for_too_long_is_called_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is ended by us, not by the system for a lack of memory."""
    monkeypatch.setattr(process_module, "START_SECONDS", 0.0)
    executor = ProcessExecutor()
    with pytest.raises(UnavailableError, match="had not begun after 0 seconds"):
        run(executor, "where")
    executor.close()


def test_a_process_that_ends_while_it_loads_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(UnavailableError, match="ended with status 1 before"):
        run(ProcessExecutor(), "where")


_PARENT = """
import sys
from napari_contrastseg.tasks.executors import process
from napari_contrastseg.tasks.executors.executor import Job
from tests.kit.jobs import Asked
import numpy as np

def report(event):
    print(event.text, flush=True)

process.AHEAD = ()
job = Job("tests.kit.jobs:forever", Asked((np.zeros(10**6),)))
process.ProcessExecutor().run(job, report, lambda: False)
"""


def test_the_child_ends_and_tidies_up_when_its_parent_dies(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ
        | {SCRATCH_VARIABLE: str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert list(tmp_path.glob("contrastseg-*/job-*"))
    parent.kill()
    parent.communicate()
    child.wait(timeout=60)
    assert not list(tmp_path.glob("contrastseg-*"))


def test_a_task_is_cancelled_while_its_process_loads(tmp_path: Path) -> None:
    mine = ProcessExecutor()
    given = Asked((np.zeros(10**6),), marker=tmp_path)
    outcome, events = run(mine, "where", given, is_cancelled=lambda: True)
    assert (outcome, events) == (Cancelled(), [])
    assert mine.pid is None  # what travels had not been written yet
    other, given = ProcessExecutor(), Asked(marker=tmp_path)
    outcome, events = run(other, "where", given, is_cancelled=lambda: True)
    assert (outcome, events) == (Cancelled(), [])
    assert other.pid is not None
    other.close()


def test_arrays_in_named_files_are_not_copied(
    process: ProcessExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SCRATCH_VARIABLE, str(tmp_path))
    path = tmp_path / "image"
    path.write_bytes(bytes(range(256)) * (LARGE // 128))
    array = np.memmap(path, np.uint8, "r")[::-2]
    seen: list[Path] = []

    def look(_event: Any) -> None:
        seen.extend(tmp_path.glob("contrastseg-*/job-*"))

    outcome, (found,) = run(process, "doubled", Asked((array,)), report=look)
    assert outcome == Finished()
    assert np.array_equal(found, np.multiply(array, 2))
    assert not seen


@pytest.mark.parametrize("settled", [True, False])
def test_a_cancel_is_answered_soon_where_nothing_is_lost_by_it(
    process: ProcessExecutor, tmp_path: Path, *, settled: bool
) -> None:
    """What a task may still change is waited for."""
    marker = tmp_path / "lingers"
    run(process, "where")  # it is ready
    before = process.pid
    job = Job(KIT + "lingers", Asked(count=int(settled), marker=marker), "", Note)
    outcome = process.run(job, lambda _: None, marker.exists)
    assert outcome == (Cancelled() if settled else Finished())
    assert (process.pid == before) is not settled


def test_closing_ends_a_task_at_once(process: ProcessExecutor) -> None:
    """The last one here: all others share the process."""

    def close(event: Any) -> None:
        del event
        process.close()

    outcome, _ = run(process, "forever", report=close)
    assert outcome == Cancelled()
    assert process.pid is None
