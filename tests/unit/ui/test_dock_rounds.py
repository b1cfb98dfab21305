"""Rounds from the dock: what is kept, shown and said, however they end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.tasks.derive import derive
from napari_contrastseg.ui.export.panel import ExportSettings
from napari_contrastseg.ui.learn.panel import LearnSettings
from napari_contrastseg.ui.review import sources_controller
from napari_contrastseg.ui.viewer.image_layers import layer_for
from tests.kit.window import NAME, add_phantom, export, said, wait_idle

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from pytestqt.qtbot import QtBot


pytestmark = pytest.mark.usefixtures("small_networks", "short_maps")


def test_layers_may_be_renamed_and_deleted_while_training(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    viewer, widget, _ = loaded
    record = widget.workspace.session.records[NAME]
    human = record.ink.copy()
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", minutes=0.01)
    )
    qtbot.waitUntil(lambda: widget.learn_controller.state.fraction > 0, timeout=60_000)
    viewer.layers[0].name = "another name"
    viewer.layers.remove(widget.workspace.registry.layer(NAME, "ink"))
    wait_idle(qtbot, widget)
    assert np.array_equal(record.ink, human)
    assert record.proposal is not None
    assert widget.workspace.registry.layer(NAME, "ink") is None
    widget.workspace.choose_volume(NAME)
    ink = widget.workspace.registry.layer(NAME, "ink")
    assert ink.data is record.ink


def test_cancelling_keeps_the_best_work_and_proposes(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    _, widget, _ = loaded
    widget.learn_controller.start("fine-tune", LearnSettings("supervised", minutes=5))
    qtbot.waitUntil(
        lambda: widget.learn_controller.state.fraction > 0.002, timeout=60_000
    )
    widget.run_bar.pause.click()
    assert widget.learn_controller.runner.paused
    widget.run_bar.pause.click()
    widget.run_bar.cancel.click()
    wait_idle(qtbot, widget)
    assert widget.learn_controller.weights is not None
    assert len(widget.workspace.session.rounds) == 1


def test_a_round_waits_for_the_mouse_button_and_is_not_forgotten(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a stroke goes on nothing else can begin, and the run stays on the disk."""
    _, widget, _ = loaded
    runs = widget.learn_controller
    pressed = [Qt.MouseButton.LeftButton]
    monkeypatch.setattr(QGuiApplication, "mouseButtons", lambda: pressed[0])
    runs.start("fine-tune", LearnSettings("supervised", minutes=0.01))
    qtbot.waitUntil(lambda: not runs.runner.running, timeout=60_000)
    qtbot.wait(300)
    assert not widget.workspace.session.rounds
    assert widget.workspace.busy
    assert (widget.workspace.folder / "run" / "run.json").is_file()
    runs.start("fine-tune", LearnSettings("supervised", minutes=0.01))
    assert "A task is running" in said()
    pressed[0] = Qt.MouseButton.NoButton
    qtbot.waitUntil(lambda: len(widget.workspace.session.rounds) == 1, timeout=60_000)
    assert not widget.workspace.busy
    run = widget.workspace.folder / "run"
    qtbot.waitUntil(lambda: not run.exists(), timeout=60_000)
    assert [r.info.number for r in load_session(widget.workspace.folder).rounds] == [1]
    assert widget.workspace.session.records[NAME].proposal is not None


def test_a_gpu_asked_for_in_vain_loses_nothing(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    _, widget, _ = loaded
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", device="cuda")
    )
    wait_idle(qtbot, widget)
    assert "No CUDA GPU" in widget.learn_controller.state.message
    assert widget.run_bar.run.isEnabled()


def test_only_the_volume_worked_on_is_shown(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    viewer, widget, _ = loaded
    data, about, _ = layer_for(phantom(2).volume)
    viewer.add_image(data, **about)
    widget.data.add.click()
    registry = widget.workspace.registry
    assert not registry.layer(NAME, "ink").visible
    assert registry.layer("phantom_002", "ink").visible
    widget.workspace.choose_volume(NAME)
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", minutes=0.01)
    )
    wait_idle(qtbot, widget)
    assert widget.workspace.active == NAME
    assert viewer.layers.selection.active is registry.layer(NAME, "ink")
    assert registry.layer("phantom_002", "pseudo") is None  # made once it is shown
    widget.workspace.go_to(3, "phantom_002")
    assert viewer.layers.selection.active is registry.layer("phantom_002", "ink")
    assert not registry.layer(NAME, "image").visible
    for kind in ("ink", "image"):
        viewer.layers.remove(registry.layer(NAME, kind))
    widget.workspace.go_to(2, NAME)
    assert registry.layer(NAME, "ink").visible


@pytest.mark.slow
def test_a_cancelled_run_can_be_resumed(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    _, widget, _ = loaded
    assert not widget.run_bar.resume.isEnabled()
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", minutes=0.05)
    )
    qtbot.waitUntil(
        lambda: widget.learn_controller.state.fraction > 0.1, timeout=60_000
    )
    widget.run_bar.cancel.click()
    wait_idle(qtbot, widget)
    assert widget.run_bar.resume.isEnabled()
    assert "stopped after" in widget.run_bar.resume.toolTip()
    folder = widget.workspace.folder
    widget.session_controller.open(folder)  # as after a restart
    widget.workspace.work.finish()
    wait_idle(qtbot, widget)
    assert widget.run_bar.resume.isEnabled()
    before = len(widget.workspace.session.rounds)
    widget.run_bar.resume.click()
    wait_idle(qtbot, widget)
    assert len(widget.workspace.session.rounds) == before + 1
    assert not widget.run_bar.resume.isEnabled()
    assert not (folder / "run").exists()


def test_memory_that_runs_out_offers_the_cpu(
    loaded: tuple[Any, Any, Sample], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    import torch

    from napari_contrastseg.learning.networks.unet import UNet

    _, widget, _ = loaded

    def no_room(*_: Any) -> Any:
        raise torch.OutOfMemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(UNet, "encode", no_room)
        widget.learn_controller.start(
            "fine-tune", LearnSettings("supervised", minutes=0.01)
        )
        wait_idle(qtbot, widget)
    assert "its memory ran out" in widget.notice.text.text()
    assert widget.notice.buttons[0].text() == "Go on on the CPU"
    widget.notice.buttons[1].click()
    assert not widget.workspace.session.rounds


@pytest.mark.slow
def test_a_full_computer_does_not_offer_the_cpu(
    loaded: tuple[Any, Any, Sample], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    """The CPU's own memory ran out: there is nowhere to go on."""
    import torch

    from napari_contrastseg.learning.networks.unet import UNet

    _, widget, _ = loaded

    def no_room(*_: Any) -> Any:
        return torch.empty(2**62, dtype=torch.uint8)

    monkeypatch.setattr(UNet, "encode", no_room)
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", minutes=0.01)
    )
    wait_idle(qtbot, widget)
    assert widget.notice.isHidden()
    assert said().startswith("The memory of this computer ran out in stage")
    assert widget.learn_controller.state.message == said()
    assert not widget.workspace.session.rounds


@pytest.mark.slow
def test_a_round_that_cannot_be_added_keeps_its_run(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory may end while the window makes a round; Resume brings it then."""
    _, widget, _ = loaded
    runs = widget.learn_controller

    def full(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(widget.workspace.session, "add_round", full)
        runs.start("fine-tune", LearnSettings("supervised", minutes=0.01))
        wait_idle(qtbot, widget)
        qtbot.wait(200)
    assert not widget.workspace.session.rounds
    assert not widget.workspace.busy
    assert "press Resume" in said()
    assert widget.run_bar.resume.isEnabled()
    widget.run_bar.resume.click()
    qtbot.waitUntil(lambda: len(widget.workspace.session.rounds) == 1, timeout=60_000)


@pytest.mark.slow
def test_a_model_is_used_on_a_new_volume(
    loaded: tuple[Any, Any, Sample], tmp_path: Path, qtbot: QtBot
) -> None:
    viewer, widget, _ = loaded
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", minutes=0.01)
    )
    wait_idle(qtbot, widget)
    step = widget.further["Export"]
    step.panel.setValue(ExportSettings(tmp_path, "model"))
    export(qtbot, step, step.panel.run.click)
    data, about, _ = layer_for(phantom(2).volume)
    viewer.add_image(data, **about)
    widget.data.add.click()
    widget.learn.model.value = tmp_path / "model"
    widget.learn.use.click()
    widget.workspace.work.finish()
    wait_idle(qtbot, widget)
    record = widget.workspace.session.records["phantom_002"]
    assert record.proposal is not None
    widget.learn.model.value = tmp_path
    widget.learn.use.click()
    widget.workspace.work.finish()
    assert "is not a model" in said()
    widget.workspace.session.change_class(2, name="tumour")
    widget.learn.model.value = tmp_path / "model"
    widget.learn.use.click()
    widget.workspace.work.finish()
    assert "here it is 'tumour'" in said()


def test_closing_in_the_middle_of_an_answer_to_strokes_ends_its_thread(
    docked: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    def without_end(*asked: Any) -> Generator[Any, None, None]:
        while True:
            yield from derive(*asked)

    monkeypatch.setattr(sources_controller, "derive", without_end)
    viewer, widget = docked
    sample = add_phantom(viewer, widget)
    widget.workspace.session.add_class()
    widget.workspace.go_to(8)
    ink = widget.workspace.registry.layer(NAME, "ink")
    for class_id in (1, 2):
        row, column = np.argwhere(sample.truth[8] == class_id)[0]
        ink.paint((8, row, column), class_id)

    def threads() -> set[str]:
        return {thread.name for thread in threading.enumerate()}

    qtbot.waitUntil(lambda: "contrastseg-task" in threads(), timeout=60_000)
    widget.shut_down()
    assert "contrastseg-task" not in threads()


def test_closing_while_training_leaves_no_thread(
    loaded: tuple[Any, Any, Sample],
    qtbot: QtBot,
) -> None:
    _, widget, _ = loaded
    for _ in range(3):
        widget.learn_controller.start("pretrain", LearnSettings("hu2021", minutes=5))
        qtbot.waitUntil(
            lambda: widget.learn_controller.state.fraction > 0, timeout=60_000
        )
        widget.learn_controller.cancel()
        qtbot.waitUntil(
            lambda: not widget.learn_controller.runner.running, timeout=60_000
        )
    widget.learn_controller.start("fine-tune", LearnSettings("supervised", minutes=5))
    qtbot.waitUntil(lambda: widget.learn_controller.state.fraction > 0, timeout=60_000)
    widget.shut_down()
    names = [t.name for t in threading.enumerate()]
    assert not any(name.startswith("contrastseg") for name in names), names
    assert not (widget.session_controller.folder)
