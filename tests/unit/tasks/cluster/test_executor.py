"""Tasks of the window on a worker of a cluster: as in a process of this computer."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.io.errors import DeviceMemoryError, InputError
from napari_contrastseg.tasks.cluster import job_data, relay
from napari_contrastseg.tasks.cluster.executor import ClusterExecutor
from napari_contrastseg.tasks.cluster.place import LostConnectionError
from napari_contrastseg.tasks.drive import Cancelled, Failed, Finished
from napari_contrastseg.tasks.events import Note, Progress
from napari_contrastseg.tasks.executors.executor import Job
from napari_contrastseg.tasks.executors.sharing import LARGE
from tests.kit.jobs import Asked
from tests.kit.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_contrastseg.tasks.drive import Outcome

pytest.importorskip("distributed")

KIT = "tests.kit.jobs:"


def run(
    address: str,
    name: str,
    asked: Asked | None = None,
    *,
    is_cancelled: Callable[[], bool] = lambda: False,
    now: Callable[[], Any] = lambda: None,
    report: Callable[[Any], None] = lambda _: None,
) -> tuple[Outcome, list[Any]]:
    events: list[Any] = []

    def take(event: Any) -> None:
        if not isinstance(event, Progress):
            events.append(event)
        report(event)

    job = Job(KIT + name, asked or Asked(), KIT + "goes_on", device="cpu")
    outcome = ClusterExecutor(address).run(job, take, is_cancelled, now)
    return outcome, events


def test_a_task_runs_in_a_child_of_a_worker(address: str) -> None:
    outcome, events = run(address, "where", now=lambda: "shown")
    assert outcome == Finished()
    assert [now for _, now, _ in events] == ["shown"] * 3
    assert os.getpid() not in {pid for pid, *_ in events}
    assert not any(there for *_, there in events), "nobody sits at the worker"


@pytest.mark.parametrize("shared", [True, False])
def test_arrays_travel_once(
    address: str, monkeypatch: pytest.MonkeyPatch, *, shared: bool
) -> None:
    """Be their folder shared with the worker or not; a second job sends none."""
    monkeypatch.setattr(job_data, "_is", lambda *_: shared)
    sent: list[str] = []

    def note(event: Any) -> None:
        if isinstance(event, Progress) and event.stage.startswith("sending"):
            sent.append(event.stage)

    count = LARGE if shared else LARGE + 1
    array = np.arange(count, dtype=np.int32)
    for times in range(2):
        outcome, (doubled,) = run(address, "doubled", Asked((array,)), report=note)
        assert outcome == Finished()
        np.testing.assert_array_equal(doubled, array * 2)
        assert array[1] == 1, "what the asker has stays as it was"
        assert len(sent) == (0 if shared else 1), times


def test_an_error_comes_back_with_its_type(address: str) -> None:
    outcome, _ = run(address, "raises")
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, DeviceMemoryError)


def test_a_cancelled_task_is_closed_there(address: str, tmp_path: Path) -> None:
    events: list[Any] = []

    def take(event: Any) -> None:
        if not isinstance(event, Progress):
            events.append(event)

    outcome, _ = run(
        address, "counts", Asked(count=10**6, marker=tmp_path / "far"),
        is_cancelled=lambda: len(events) > 2, report=take,
    )  # fmt: skip
    assert outcome == Cancelled()
    assert (tmp_path / "far.closed").exists()


@pytest.mark.slow
def test_a_pause_holds_the_task_there_however_long_and_it_goes_on(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window that pauses takes no event, and still says that it is there."""
    monkeypatch.setattr(relay, "BEHIND", 0.2)
    monkeypatch.setattr(relay, "ABANDONED", 1.0)
    reached, count = tmp_path / "far", 3000
    held: list[str] = []

    def pause(event: Any) -> None:
        while event == 2 and (not held or held[-1] != reached.read_text()):
            held.append(reached.read_text())
            time.sleep(1.5)

    outcome, events = run(
        address, "counts", Asked(count=count, marker=reached), report=pause
    )
    assert outcome == Finished()
    assert int(held[-1]) < count - 1, "it was over before it could be held"
    assert events == list(range(count))


def test_connecting_is_cancelled_before_its_time_is_over() -> None:
    """Else its end would be that no scheduler answers."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        nobody, connecting = f"tcp://127.0.0.1:{silent.getsockname()[1]}", list[Any]()
        outcome, _ = run(
            nobody, "where",
            is_cancelled=lambda: bool(connecting), report=connecting.append,
        )  # fmt: skip
    assert outcome == Cancelled()


@pytest.mark.skipif(os.name == "nt", reason="kills with signals")
def test_a_crash_costs_a_sentence_and_the_task_goes_on(
    address: str, tmp_path: Path
) -> None:
    outcome, events = run(address, "crashes", Asked(marker=tmp_path / "crashed"))
    assert outcome == Finished()
    (note,) = [event for event in events if isinstance(event, Note)]
    assert "crashed (SIGSEGV)" in note.text or signal.SIGSEGV.name in note.text
    assert "goes on from its last checkpoint" in note.text


def test_an_address_of_another_computer_is_refused_without_tls() -> None:
    with pytest.raises(InputError, match="without TLS anybody on the way"):
        ClusterExecutor("tcp://lab:8786")


def test_a_lost_connection_is_an_end_that_is_told_apart(
    address: str, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(client: Any) -> None:
        await client._close()  # as Dask does when it has tried for long enough

    monkeypatch.setattr("distributed.Client._reconnect", gone)
    monkeypatch.setattr(relay, "ABANDONED", 2.0)

    def leave() -> None:
        for name, state in list(cluster.scheduler.client_comms.items()):
            if name.startswith("Client-") and name != cluster.scheduler.id:
                state.comm.abort()

    def cut(event: Any) -> None:
        if not isinstance(event, Progress):
            cluster.loop.add_callback(leave)

    outcome, _ = run(address, "forever", report=cut)
    until(lambda: not relay._RELAYS)  # the worker notices, and lets go
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, LostConnectionError)
    assert "the connection to the scheduler is lost; the session is" in outcome.message
