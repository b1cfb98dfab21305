"""The list of cases: opened, closed, passed on, marked, predicted in the background."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_contrastseg.io.cohort import CaseLabels, read_case
from napari_contrastseg.io.going_on import went_on
from napari_contrastseg.io.images import read_labels
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.case_note import CaseNote
from napari_contrastseg.session.cases import write_case_labels
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.data.cohort_state import (
    CaseRow,
    CaseStatus,
    CohortState,
    next_case,
)
from napari_contrastseg.ui.embedding.live import LiveEmbedding
from napari_contrastseg.ui.widgets.work_bar import WorkState
from tests.kit import nifti
from tests.kit.rounds import add_round
from tests.kit.tables import groups, table

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.tasks.round import Embedded
    from napari_contrastseg.ui.data.cohort_controller import CohortController
    from napari_contrastseg.ui.data.controller import DataController
    from napari_contrastseg.ui.workspace import Workspace

SHAPE = (6, 16, 16)
NAMES = tuple(f"case {number}" for number in range(4))


def said() -> str:
    """Return the last notification."""
    return str(notification_manager.records[-1].message)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images."""
    place = tmp_path / "images"
    place.mkdir()
    for number, name in enumerate(NAMES):
        image = np.asarray(phantom(number, SHAPE).volume.data[0])
        nifti.save(place / f"{name}.nii.gz", image.T, np.diag([1.0, 1, 2, 1]))
    return place


@pytest.fixture
def cohort(data: DataController, folder: Path) -> CohortController:
    """The list, none of them open."""
    data.cohort.open_cohort(folder)
    return data.cohort


def finish(cohort: CohortController) -> None:
    """Wait until what is being read is there."""
    cast("Workspace", cohort.parent()).work.finish()


def label(workspace: Workspace, index: int = 2) -> None:
    """Label a slice of the case that is worked on."""
    name = workspace.need_active()
    where = np.zeros(SHAPE, bool)
    where[index, 4:12, 4:12] = True
    painting.paint(workspace.session, name, where, 1)
    painting.mark(workspace.session, name, index, Status.DONE)


def statuses(cohort: CohortController) -> list[str]:
    return [row.status.value for row in cohort.state().rows]


def layers_of(workspace: Workspace, name: str) -> list[str]:
    return [layer.name for layer in workspace.viewer.layers if name in layer.name]


def predicted(qtbot: QtBot, cohort: CohortController) -> dict[str, CaseRow]:
    qtbot.waitUntil(lambda: cohort.state().progress is None, timeout=60_000)
    return {row.id: row for row in cohort.state().rows}


def test_a_folder_is_listed_and_one_case_opened(
    workspace: Workspace, cohort: CohortController
) -> None:
    assert statuses(cohort) == ["untouched"] * 4
    assert not len(workspace.viewer.layers)
    cohort.open_case("case 1")
    finish(cohort)
    assert workspace.active == "case 1"
    assert statuses(cohort) == ["untouched", "open", "untouched", "untouched"]
    assert layers_of(workspace, "case 1")
    assert [c.id for c in workspace.session.classes] == [1]
    assert cohort.state().summary == "0 of 4 cases done, 1 open"


def test_next_closes_the_case_frees_its_layers_and_keeps_its_labels(
    workspace: Workspace, cohort: CohortController
) -> None:
    cohort.open_case("case 0")
    finish(cohort)
    label(workspace)
    ink = workspace.session.records["case 0"].ink.copy()
    cohort.mark_done(True)
    cohort.next_case(NAMES, False)
    finish(cohort)
    assert workspace.active == "case 1"
    assert not layers_of(workspace, "case 0")
    assert statuses(cohort)[:2] == ["done", "open"]
    cohort.next_case(NAMES, False)  # nothing was done on it
    finish(cohort)
    assert list(workspace.session.all_records) == ["case 2", "case 0"]
    cohort.open_case("case 0")
    finish(cohort)
    assert np.array_equal(workspace.session.records["case 0"].ink, ink)
    assert layers_of(workspace, "case 0")
    assert cohort.state().done


def test_next_takes_the_worst_that_is_neither_done_nor_open() -> None:
    rows = tuple(
        CaseRow(name, status)
        for name, status in zip(
            NAMES,
            (
                CaseStatus.DONE,
                CaseStatus.OPEN,
                CaseStatus.UNTOUCHED,
                CaseStatus.LABELLED,
            ),
            strict=True,
        )
    )
    state = CohortState(rows, active="case 1", open=frozenset({"case 1"}))
    assert next_case(state, NAMES, worst=False) == "case 2"
    assert next_case(state, NAMES[::-1], worst=False) == "case 3"
    assert next_case(state, ("case 3", "case 1", "case 2"), worst=False) == "case 2"
    assert next_case(state, ("case 3", "case 1", "case 2"), worst=True) == "case 3"
    assert next_case(state, ("case 0", "case 1"), worst=True) is None


def test_a_file_that_cannot_be_read_opens_nothing(
    workspace: Workspace, cohort: CohortController, folder: Path
) -> None:
    (folder / "case 2.nii.gz").write_bytes(b"damaged")
    cohort.open_case("case 2")
    finish(cohort)
    assert "case 2.nii.gz" in said()
    assert not workspace.session.records


def test_cases_whose_folder_was_moved_say_so_and_how_to_go_on(
    workspace: Workspace, cohort: CohortController, folder: Path
) -> None:
    folder.rename(folder.with_name("elsewhere"))
    cohort.open_case("case 2")
    finish(cohort)
    assert f"put it back as {folder}, or list the one where they are now" in said()
    assert not workspace.session.records
    cohort.open_cohort(folder.with_name("elsewhere"))
    assert "The cases keep their labels: " in said()
    cohort.open_case("case 2")
    finish(cohort)
    assert list(workspace.session.records) == ["case 2"]


def test_a_question_about_a_case_is_asked_as_for_a_single_file(
    workspace: Workspace, cohort: CohortController, folder: Path
) -> None:
    asked: list[Any] = []
    workspace.questions.asked.connect(asked.append)
    series = np.stack([np.asarray(phantom(n, SHAPE).volume.data[0]).T for n in (0, 1)])
    nifti.save(folder / "case 3.nii.gz", np.moveaxis(series, 0, 3), np.eye(4))
    cohort.open_case("case 3")
    finish(cohort)
    assert not workspace.session.records
    notice = asked[-1]
    way = next(n for n, words in enumerate(notice.items) if "time 1" in words)
    workspace.questions.answer(len(notice.answers) + way)
    finish(cohort)
    assert list(workspace.session.records) == ["case 3"]
    assert workspace.session.records["case 3"].volume.source.part == "time 1"


def test_cases_are_predicted_into_the_session_and_one_that_fails_stops_no_other(
    workspace: Workspace,
    cohort: CohortController,
    folder: Path,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    cohort.open_case("case 0")
    finish(cohort)
    label(workspace)
    workspace.session.add_class()
    cohort.predict(False, None)
    assert "Run a round first" in said()
    workspace.autosave = Autosave(workspace.session, tmp_path / "kept", print)
    add_round(workspace.session, np.ones(SHAPE, np.uint8))
    (folder / "case 2.nii.gz").write_bytes(b"damaged")
    cohort.predict(False, None)
    rows = predicted(qtbot, cohort)
    assert "case 2.nii.gz" in rows["case 2"].failed
    assert "1 case could not be predicted; case 2: " in cohort.state().note
    assert {n for n, r in rows.items() if r.predicted == 1} == set(NAMES) - {"case 2"}
    assert rows["case 0"].dice == pytest.approx(2 * 0.95 / 1.95, abs=1e-3), (
        "as proposed"
    )
    cohort.next_case(("case 1",), False)
    finish(cohort)
    record = workspace.session.records["case 1"]
    assert record.proposal is not None
    assert record.proposal.round == 1
    assert layers_of(workspace, "case 1 proposal")
    assert workspace.autosave.flush(30)
    again = load_session(tmp_path / "kept")
    assert again.case_notes == workspace.session.case_notes
    shown = again.records["case 1"].proposal
    assert shown is not None
    assert np.array_equal(shown.prediction, record.proposal.prediction)
    workspace.autosave.close()


def test_a_case_opened_after_the_round_shows_its_prediction_as_soon_as_it_is_there(
    workspace: Workspace, cohort: CohortController, tmp_path: Path, qtbot: QtBot
) -> None:
    cohort.open_case("case 0")
    finish(cohort)
    label(workspace)
    workspace.session.add_class()
    workspace.autosave = Autosave(workspace.session, tmp_path / "kept", print)
    add_round(workspace.session, np.ones(SHAPE, np.uint8))
    cohort.open_case("case 1")
    finish(cohort)
    assert not layers_of(workspace, "case 1 proposal")
    cohort.predict(False, None)
    assert predicted(qtbot, cohort)["case 1"].predicted == 1
    shown = workspace.session.records["case 1"].proposal
    assert shown is not None
    assert shown.round == 1
    assert layers_of(workspace, "case 1 proposal")
    workspace.autosave.close()


def test_a_proposal_outlives_closing_a_case_before_the_round_is_written(
    workspace: Workspace, cohort: CohortController
) -> None:
    cohort.open_case("case 0")
    finish(cohort)
    workspace.session.add_class()
    add_round(workspace.session, np.ones(SHAPE, np.uint8))
    proposal = workspace.session.records["case 0"].proposal
    cohort.close_case()
    assert workspace.folder is None
    cohort.open_case("case 0")
    finish(cohort)
    assert workspace.session.records["case 0"].proposal is proposal


def test_the_window_answers_while_a_case_is_read(
    workspace: Workspace,
    cohort: CohortController,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> None:
    go = threading.Event()

    def wait_first(*about: Any) -> Any:
        while not go.wait(0.01):
            went_on(0.5)
        return read_case(*about)

    module = "napari_contrastseg.ui.data.cohort_controller"
    monkeypatch.setattr(f"{module}.read_case", wait_first)
    cohort.open_case("case 0")
    qtbot.waitUntil(lambda: workspace.work.now == WorkState("Opening case 0", 0.25))
    assert not workspace.session.records
    workspace.work.cancel()
    finish(cohort)
    assert said() == "case 0 was not opened."
    cohort.open_case("case 0")
    go.set()
    qtbot.waitUntil(lambda: bool(layers_of(workspace, "case 0")), timeout=60_000)
    assert workspace.active == "case 0"


def test_a_cases_labels_are_taken_while_the_window_answers(
    workspace: Workspace,
    cohort: CohortController,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> None:
    truth = np.zeros(SHAPE, np.int16)
    truth[2, 4:12, 4:12] = 1
    labels, go = CaseLabels(truth, {1: "core"}), threading.Event()

    def wait_first(*about: Any) -> Any:
        go.wait(60)
        return write_case_labels(*about)

    module = "napari_contrastseg.ui.data.cohort_controller"
    monkeypatch.setattr(f"{module}.read_case_labels", lambda *_: labels)
    monkeypatch.setattr(f"{module}.write_case_labels", wait_first)
    cohort.open_case("case 0")
    taking = WorkState("Taking the labels of case 0")
    qtbot.waitUntil(lambda: workspace.work.now == taking, timeout=60_000)
    assert workspace.active == "case 0", "it is shown already"
    go.set()
    finish(cohort)
    assert np.array_equal(workspace.session.records["case 0"].ink, truth)
    assert [c.name for c in workspace.session.classes] == ["core"]
    assert workspace.session.undo() == "take labels"
    assert not workspace.session.records["case 0"].ink.any()


def test_the_rounds_map_outlives_closing_a_case(
    workspace: Workspace, cohort: CohortController
) -> None:
    cohort.open_case("case 0")
    finish(cohort)
    view = LiveEmbedding(workspace)
    forgotten: list[bool] = []
    view.forgotten.connect(lambda: forgotten.append(True))
    view.set_visible(False)  # nothing is laid out
    shown = replace(table(groups()), names=("case 0",))
    view.show_round(1, cast("Embedded", SimpleNamespace(table=shown)))
    cohort.close_case()
    assert not forgotten

    view.close()


def test_masks_of_all_cases_hold_labels_and_predictions(
    workspace: Workspace, cohort: CohortController, tmp_path: Path, qtbot: QtBot
) -> None:
    cohort.open_case("case 0")
    finish(cohort)
    workspace.session.add_class()
    add_round(workspace.session, np.ones(SHAPE, np.uint8))
    label(workspace, index=2)
    cohort.next_case(NAMES, False)
    finish(cohort)
    cohort.predict(True, None)
    assert "Name a folder" in said()
    cohort.predict(True, tmp_path / "masks")
    predicted(qtbot, cohort)
    files = sorted((tmp_path / "masks").iterdir())
    assert [file.name for file in files] == [f"{name}.nii.gz" for name in NAMES]
    mask = read_labels(files[0])
    volume = workspace.session.closed["case 0"].volume
    assert mask.same_place(volume)
    truth = np.zeros(SHAPE[1:], np.uint8)
    truth[4:12, 4:12] = 1
    assert np.array_equal(np.asarray(mask.data[0])[2], truth)
    cohort.predict(True, tmp_path / "masks")
    assert "case 0.nii.gz" in said(), "nothing is replaced"


def test_predicting_can_be_stopped_and_what_is_done_stays(
    workspace: Workspace, cohort: CohortController, tmp_path: Path, qtbot: QtBot
) -> None:
    cohort.open_case("case 0")
    finish(cohort)
    workspace.session.add_class()
    add_round(workspace.session, np.ones(SHAPE, np.uint8))
    workspace.session.cohort_changed.connect(cohort.cancel)  # after the first case
    cohort.predict(True, tmp_path / "masks")
    rows = predicted(qtbot, cohort)
    assert cohort.state().note == "Cancelled; what was predicted stays."
    done = sum(row.predicted is not None for row in rows.values())
    assert 1 <= done < 4


def test_no_other_cases_are_listed_while_these_are_predicted(
    workspace: Workspace, cohort: CohortController, tmp_path: Path, qtbot: QtBot
) -> None:
    cohort.open_case("case 0")
    finish(cohort)
    workspace.session.add_class()
    add_round(workspace.session, np.ones(SHAPE, np.uint8))
    listed = workspace.session.cohort
    cohort.predict(True, tmp_path / "masks")
    cohort.open_cohort(tmp_path)
    assert "press Cancel or wait" in said()
    assert workspace.session.cohort is listed
    predicted(qtbot, cohort)


def test_a_done_mark_outlives_a_prediction(cohort: CohortController) -> None:
    session = cohort._workspace.session
    cohort.open_case("case 0")
    finish(cohort)
    cohort.mark_done(True)
    assert session.case_notes["case 0"] == CaseNote(done=True)
    cohort.mark_done(False)
    assert not cohort.state().done
