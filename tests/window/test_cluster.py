"""Rounds of the window on a cluster: the same proposal, parts that die, an address."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_contrastseg.bench.cluster.local_cluster import LocalCluster, local_cluster
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.tasks.executors.choice import PROCESS, ROUNDS_VARIABLE
from napari_contrastseg.tasks.resumable import unfinished
from napari_contrastseg.ui.learn import controller
from napari_contrastseg.ui.learn.panel import LearnSettings
from tests.kit.window import NAME, label_three_slices, said, wait_idle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.tasks.requests import TrainRequest

pytestmark = pytest.mark.viewer
pytest.importorskip("distributed")
kills = pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")


@pytest.fixture(autouse=True)
def _rounds_run_in_a_process(
    _rounds_run_in_a_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROUNDS_VARIABLE, PROCESS)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two workers in processes of their own."""
    with local_cluster(2) as there:
        yield there


def of_steps(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Let rounds begin alike and take steps, not minutes: those can be compared."""
    freeze: Callable[..., TrainRequest] = vars(controller)["freeze"]

    def frozen(*asked: Any) -> TrainRequest:
        request = freeze(*asked)
        return replace(request, budget=Budget(steps), device="cpu", start=None)

    monkeypatch.setattr(controller, "freeze", frozen)


def run(widget: Any, qtbot: QtBot, where: str) -> tuple[Any, Any]:
    """Fine-tune from the start, and give the labels and confidence proposed."""
    session, runs = widget.workspace.session, widget.learn_controller
    runs.start("fine-tune", LearnSettings("supervised", cluster=where))
    qtbot.waitUntil(lambda: runs.state.running, timeout=60_000)
    wait_idle(qtbot, widget)
    number = len(session.rounds)
    assert number, [str(record.message) for record in notification_manager.records]
    proposal = session.records[NAME].proposal
    assert proposal is not None
    both = proposal.prediction, proposal.confidence
    labels, sure = (np.asarray(values).copy() for values in both)
    return labels, sure


def test_an_address_is_tested_and_chosen_in_step_learn(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    """What may not be used is refused before anything is sent."""
    _, widget, _ = loaded
    panel = widget.learn
    widget.tabs.show_step("Learn")
    panel.place.unfold()
    assert not panel.cluster.test.isEnabled()
    panel.cluster.address.setText("tcp://lab:8786")
    assert panel.value().cluster == "tcp://lab:8786"
    panel.run_round()
    assert "without TLS anybody on the way can run code" in said()
    assert not widget.learn_controller.state.running
    with qtbot.waitSignal(widget.learn_controller.found, timeout=60_000):
        panel.cluster.test.click()
    found = panel.cluster.found
    assert "without TLS" in found.text()
    panel.cluster.address.setText("")
    assert not panel.cluster.found.text()
    assert panel.value().cluster == widget.learn_controller.cluster == ""


@pytest.mark.slow
def test_a_round_there_proposes_what_one_here_does_bit_for_bit(
    loaded: tuple[Any, Any, Sample],
    cluster: LocalCluster,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, widget, sample = loaded
    of_steps(monkeypatch, 6)
    panel = widget.learn
    panel.cluster.setValue(cluster.address)
    with qtbot.waitSignal(widget.learn_controller.found, timeout=60_000) as found:
        panel.cluster.test.click()
    have = "2 workers, no GPU, all in the versions of this computer."
    assert found.args == [f"{cluster.address} has {have}"]
    there = run(widget, qtbot, cluster.address)
    assert not (widget.workspace.folder / "run" / "run.json").exists()
    widget.data.new.click()  # a second round knows the first
    widget.workspace.work.finish()
    widget.data.add.click()
    label_three_slices(widget.workspace.session, sample)
    here = run(widget, qtbot, "")
    for one, two in zip(there, here, strict=True):
        assert np.array_equal(one, two)
    assert there[0].any()


@kills
@pytest.mark.slow
def test_a_killed_worker_costs_a_message(
    loaded: tuple[Any, Any, Sample],
    cluster: LocalCluster,
    qtbot: QtBot,
) -> None:
    _, widget, _ = loaded
    runs = widget.learn_controller
    runs.start(
        "fine-tune", LearnSettings("supervised", minutes=0.2, cluster=cluster.address)
    )
    qtbot.waitUntil(lambda: runs.state.fraction > 0, timeout=120_000)
    assert cluster.kill_worker("round")
    wait_idle(qtbot, widget)
    texts = [str(record.message) for record in notification_manager.records]
    assert any("on a worker that was lost; the run goes on" in text for text in texts)
    assert len(widget.workspace.session.rounds) == 1


@kills
@pytest.mark.slow
def test_a_killed_scheduler_leaves_the_session_whole_and_the_run_is_offered(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    _, widget, _ = loaded
    runs, questions = widget.learn_controller, widget.workspace.questions
    ink = widget.workspace.session.records[NAME].ink.copy()
    with local_cluster(1) as there:
        runs.choose(LearnSettings(cluster=there.address))
        runs.start(
            "fine-tune", LearnSettings("supervised", minutes=0.2, cluster=there.address)
        )
        qtbot.waitUntil(lambda: runs.state.fraction > 0, timeout=120_000)
        folder = widget.workspace.folder / "run"
        qtbot.waitUntil(lambda: bool(unfinished(folder)), timeout=60_000)
        there.kill()
        wait_idle(qtbot, widget)
    asked = questions.waiting
    assert asked is not None
    assert "the connection to the scheduler is lost" in asked.text
    assert asked.answers == ("Go on there", "Go on here", "Leave it")
    assert np.array_equal(widget.workspace.session.records[NAME].ink, ink)
    questions.answer(1)
    qtbot.waitUntil(lambda: runs.state.running, timeout=60_000)
    wait_idle(qtbot, widget)
    assert len(widget.workspace.session.rounds) == 1
