"""The table of classes: counted in a thread, sorted by number, copied, saved."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from napari_contrastseg.session import painting
from napari_contrastseg.ui.export.class_table import ClassTable
from napari_contrastseg.ui.export.controller import ExportController
from tests.kit.rounds import add_round
from tests.kit.window import said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add


@pytest.fixture
def step(workspace: Workspace, qtbot: QtBot) -> Iterator[ExportController]:
    made = ExportController(workspace)
    qtbot.addWidget(made.panel)
    yield made
    made.close()
    assert made.classes.table is None


def opened(qtbot: QtBot, step: ExportController) -> ClassTable:
    """Press the button and wait until all is counted."""
    with qtbot.waitSignal(step.classes.runner.ended, timeout=60_000):
        step.panel.table.click()
    assert step.classes.table is not None
    return step.classes.table


def test_the_button_counts_and_a_round_counts_again(
    step: ExportController,
    workspace: Workspace,
    add: Add,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    add(sample)
    workspace.session.add_class()
    where = np.zeros(sample.truth.shape, bool)
    where[8] = sample.truth[8] > 0
    painting.paint(workspace.session, sample.volume.id, where, sample.truth[where])
    table = opened(qtbot, step)
    headers, rows = table.value()
    assert "volume (ml)" in headers
    voxels = headers.index("voxels")
    wanted = [(sample.truth[8] == number).sum() for number in (1, 2)]
    assert [row[voxels] for row in rows] == wanted
    assert table.refresh.isEnabled()
    with qtbot.waitSignal(step.classes.runner.ended, timeout=60_000):
        add_round(workspace.session, sample.truth)
    assert [row[voxels] for row in table.value()[1]] == [
        (workspace.session.records[sample.volume.id].prediction == number).sum()
        for number in (1, 2)
    ]
    table.close()
    add_round(workspace.session, sample.truth)
    assert not step.classes.runner.running  # nobody looks


def test_without_a_volume_the_button_says_what_to_do(step: ExportController) -> None:
    step.panel.table.click()
    assert said() == "Add a volume first."


@pytest.fixture
def table(qtbot: QtBot) -> ClassTable:
    made = ClassTable()
    qtbot.addWidget(made)
    made.setValue(
        ["volume", "voxels", "volume (ml)"],
        [["a", 9, 0.5], ["b\tc", 1000, None], ["d", 20, 12.123456789]],
    )
    return made


def test_columns_are_sorted_by_number(table: ClassTable) -> None:
    def column(number: int) -> list[Any]:
        items: list[Any] = [table.table.item(row, number) for row in range(3)]
        return [item.value for item in items]

    table.table.sortItems(1, Qt.SortOrder.DescendingOrder)
    assert column(1) == [1000, 20, 9]
    table.table.sortItems(2)
    assert column(2) == [None, 0.5, 12.123456789]


def test_a_copy_pastes_into_a_spreadsheet_as_it_is_sorted(table: ClassTable) -> None:
    table.table.sortItems(1)
    table.copy.click()
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    assert list(csv.reader(clipboard.text().splitlines(), delimiter="\t")) == [
        ["volume", "voxels", "volume (ml)"],
        ["a", "9", "0.5"],
        ["d", "20", "12.123456789"],
        ["b c", "1000", ""],
    ]


def test_the_table_is_saved_where_a_person_says(
    step: ExportController,
    workspace: Workspace,
    add: Add,
    sample: Sample,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add(sample)
    table = opened(qtbot, step)
    chosen = tmp_path / "measures"
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(chosen), "CSV (*.csv)")
    )
    table.save.click()
    with chosen.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        stored = list(csv.reader(file))
    headers, rows = table.value()
    assert stored[0] == headers
    assert len(stored) == len(rows) + 1 == len(workspace.session.classes) + 1
    assert said().endswith("measures.csv.")


def test_nothing_can_be_copied_of_an_empty_table(qtbot: QtBot) -> None:
    made = ClassTable()
    qtbot.addWidget(made)
    assert not made.copy.isEnabled()
    assert made.copy.toolTip() == "There is nothing in the table yet"
