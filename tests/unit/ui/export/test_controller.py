"""Exports in the background: the window goes on, and says how each of them ends."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QTimer

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_labels
from napari_contrastseg.session import painting
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.exports import Export, catalogue
from napari_contrastseg.ui.export import controller as module
from napari_contrastseg.ui.export.controller import ExportController
from napari_contrastseg.ui.export.panel import ExportSettings
from tests.kit.models import untrained_model
from tests.kit.window import export, said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.tasks.exports import Output
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add


@dataclass(frozen=True)
class NoOptions:
    """There is nothing to choose."""


class Slow:
    """An export of two files, each of which waits until it is let go on."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)
        self.failure: Exception | None = None
        self.thread = ""
        self.export = Export(
            "masks", "Slow", "Two files", NoOptions(), lambda _: None, self.run
        )

    def run(self, session: Session, _: Any, output: Output) -> Iterator[Path]:
        self.thread, self.session = threading.current_thread().name, session
        for path in output.claim("one", "two"):
            assert self.go.acquire(timeout=60)
            if self.failure is not None:
                raise self.failure
            path.parent.mkdir(exist_ok=True)
            path.touch()
            yield path


@pytest.fixture
def step(
    workspace: Workspace, add: Add, sample: Sample, qtbot: QtBot, tmp_path: Path
) -> Iterator[ExportController]:
    add(sample)
    made = ExportController(workspace)
    qtbot.addWidget(made.panel)
    made.panel.setValue(ExportSettings(tmp_path / "out"))
    made.panel.show()
    made.refresh()
    yield made
    made.close()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    made = Slow()
    monkeypatch.setattr(module, "export_named", lambda _: made.export)
    return made


def test_closed_cases_are_said_to_hold_their_labels_alone(
    step: ExportController, workspace: Workspace, sample: Sample
) -> None:
    assert not step.panel.rest.isVisible()
    painting.mark(workspace.session, sample.volume.id, 2, Status.DONE)
    workspace.registry.remove_volume(sample.volume.id)
    workspace.session.close_volume(sample.volume.id)
    step.refresh()
    assert step.panel.rest.text().startswith("Closed cases hold their labels alone;")
    assert step.panel.rest.isVisible()


def test_the_window_goes_on_while_an_export_is_written(
    step: ExportController, slow: Slow, qtbot: QtBot
) -> None:
    panel, timer = step.panel, QTimer()
    ticks: list[str] = []

    def tick() -> None:
        ticks.append(panel.text.text())
        slow.go.release()

    timer.timeout.connect(tick)
    assert not panel.progress.isVisible()
    panel.run.click()  # it returns, although no file may be written yet
    assert panel.progress.isVisible()
    assert panel.text.text() == "Writing Slow"
    assert not panel.run.isEnabled()
    assert panel.run.toolTip() == "An export is being written"
    with qtbot.waitSignal(step.runner.ended, timeout=60_000):
        timer.start(1)  # only the window's own event loop lets the files be written
    assert len(ticks) >= 2
    assert slow.thread == "contrastseg-task"
    assert said().startswith("Slow: 2 files written to ")
    assert not panel.progress.isVisible()
    assert panel.run.isEnabled()


def test_a_file_that_is_done_is_counted(
    step: ExportController, slow: Slow, qtbot: QtBot
) -> None:
    step.panel.run.click()
    slow.go.release()
    words = "Writing Slow, 1 file done"
    qtbot.waitUntil(lambda: step.panel.text.text() == words, timeout=60_000)
    export(qtbot, step, slow.go.release)


def test_a_cancelled_export_ends_after_the_file_in_hand(
    step: ExportController, slow: Slow, qtbot: QtBot, tmp_path: Path
) -> None:
    step.panel.run.click()
    step.panel.cancel.click()
    assert step.panel.text.text() == "Ends after the file that is being written"
    export(qtbot, step, slow.go.release)
    folder = tmp_path / "out"
    assert said() == f"Slow: cancelled; 1 file had been written to {folder}."
    assert not slow.go.acquire(blocking=False)


def test_what_a_person_should_know_of_the_files_is_said_at_the_end(
    step: ExportController, slow: Slow, qtbot: QtBot
) -> None:
    """Of a mask as NIfTI, that it does not lie on its TIFF in other programs."""
    words = "As NIfTI the mask of a (TIFF) does not lie on the image."
    slow.export = replace(slow.export, note=lambda _session, _options: words)
    step.panel.run.click()
    export(qtbot, step, lambda: slow.go.release(2))
    assert said().startswith("Slow: 2 files written to ")
    assert said().endswith(f". {words}")


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (InputError("There is no luck today."), "There is no luck today."),
        (OSError(28, "No space left", "out"), "out: No space left; choose another"),
        (ValueError("seven"), "Something went wrong that should not (seven)"),
    ],
)
def test_a_failure_is_said(
    failure: Exception,
    words: str,
    step: ExportController,
    slow: Slow,
    qtbot: QtBot,
) -> None:
    slow.failure = failure
    slow.go.release()
    export(qtbot, step, step.panel.run.click)
    assert said().startswith(words)
    assert step.panel.run.isEnabled()


def test_it_holds_the_labels_as_they_were_when_it_began(
    step: ExportController,
    slow: Slow,
    workspace: Workspace,
    qtbot: QtBot,
    tmp_path: Path,
) -> None:
    session = workspace.session
    (name,) = session.records
    where = np.zeros(session.records[name].volume.shape, bool)
    where[3, :4] = True
    painting.paint(session, name, where, 1)
    masks = catalogue()["masks"]

    def run(frozen: Session, options: Any, output: Output) -> Iterator[Path]:
        assert slow.go.acquire(timeout=60)
        yield from masks.run(frozen, options, output)

    slow.export = Export("masks", "", "", masks.options, masks.missing, run)
    step.panel.run.click()
    painting.paint(session, name, ~where, 1)
    export(qtbot, step, slow.go.release)
    (written,) = (tmp_path / "out").iterdir()
    assert np.array_equal(read_labels(written).data[0] > 0, where)


def test_no_labels_are_copied_for_a_model(
    step: ExportController, slow: Slow, workspace: Workspace, qtbot: QtBot
) -> None:
    workspace.session.add_weights(untrained_model())
    slow.export = Export("model", "", "", NoOptions(), lambda _: None, slow.run, True)
    slow.go.release(2)
    export(qtbot, step, step.panel.run.click)
    assert slow.session.rounds.weights is workspace.session.rounds.weights
    assert not slow.session.records


@pytest.mark.parametrize("name", ["masks", "dataset"])
def test_the_window_writes_and_says_where(
    name: str, step: ExportController, qtbot: QtBot, tmp_path: Path
) -> None:
    step.panel.setValue(ExportSettings(tmp_path / "out", name))
    export(qtbot, step, step.panel.run.click)
    title = catalogue()[name].title
    assert said().startswith(f"{title}: ")
    assert f"written to {tmp_path / 'out'}" in said()
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}
    export(qtbot, step, step.panel.run.click)
    assert "exists already" in said()
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}


def test_a_folder_must_be_named(step: ExportController) -> None:
    step.panel.setValue(ExportSettings(None))
    step.panel.run.click()
    assert "Name a folder" in said()
    assert not step.runner.running


def test_nothing_is_exported_while_a_mask_is_written(
    workspace: Workspace, step: ExportController, tmp_path: Path
) -> None:
    workspace.session.held = "Taking the mask m is under way; wait for it."
    step.panel.setValue(ExportSettings(tmp_path / "out"))
    step.export()
    assert said() == workspace.session.held
    assert not step.runner.running
