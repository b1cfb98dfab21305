"""What docs/extending.md says of its examples, on a copy of the package that has them.

Not collected by itself: `test_extending.py` makes the copy and runs this file on it.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_contrastseg.bench.compare.stored_result import fill_in
from napari_contrastseg.io.images import read_labels, write_map
from napari_contrastseg.io.json import to_plain
from napari_contrastseg.learning.models.model import load_model
from napari_contrastseg.recipes import recipe_named
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.journal_entries import Entry, read_entry
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.dock import ContrastSegWidget
from napari_contrastseg.ui.viewer.image_layers import layer_for
from tests.kit.pages import commands, run, write_phantoms

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
SHORTER = {"--minutes 1": "--steps 1"}


def test_the_commands_of_the_page_run(
    session: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_phantoms(tmp_path / "DATASET")
    sample = phantom(0)
    values = sample.volume.data[0].astype(np.float32)
    write_map(tmp_path / "image.npz", values, sample.volume)
    ((name, record),) = session.records.items()
    where = np.zeros(record.volume.shape, bool)
    where[3, 4:9, 5:12] = True
    painting.paint(session, name, where, 2)
    save_session(session, tmp_path / "SESSION")

    said = {}
    for words in commands(PAGE):
        run(words, SHORTER, monkeypatch)
        said[" ".join(words[:3])] = capsys.readouterr().out

    assert "easy_first" in said["contrastseg recipes"]
    card = load_model(tmp_path / "MODEL").card
    assert card.recipe == "easy_first"
    predicted = read_labels(tmp_path / "PREDICTIONS" / "image.npz")
    assert predicted.shape == sample.volume.shape
    assert np.allclose(predicted.spacing, sample.volume.spacing)
    (mask,) = read_labels(tmp_path / "MASKS" / f"{name}.npz").data
    assert np.array_equal(mask == 2, where)
    assert "volumes  " in said["contrastseg export --list"]
    with (tmp_path / "TABLE" / "volumes.csv").open(newline="") as file:
        core, shell = csv.DictReader(file)
    assert core == {"volume": name, "class": "core", "voxels": "0", "mm3": "0.0"}
    assert int(shell["voxels"]) == where.sum() == 35
    volume = 35 * np.prod(record.volume.spacing)
    assert float(shell["mm3"]) == pytest.approx(volume, abs=1e-3)
    assert "easy_share" in said["contrastseg recipes --settings"]


def test_the_new_step_shows_in_the_dock_and_edits_its_value(qtbot: QtBot) -> None:
    dock = ContrastSegWidget(ViewerModel())
    qtbot.addWidget(dock)
    assert list(dock.steps) == ["Data", "Tools", "Learn", "Review", "Export", "Goal"]
    panel: Any = dock.further["Goal"].panel
    assert dock.tabs.page("Goal").isAncestorOf(panel)
    image, about, _ = layer_for(phantom(0).volume)
    dock.workspace.viewer.add_image(image, **about)
    dock.data.add.click()
    dock.workspace.go_to(3)
    dock.data_controller.toggle_done()
    assert panel.bar.text() == "1 of 24 done"
    with qtbot.waitSignal(panel.valueChanged):
        panel.wanted.setValue(2)
    assert panel.bar.text() == "1 of 2 done"
    dock.workspace.go_to(5)
    dock.data_controller.toggle_done()
    assert (panel.value().done, panel.value().wanted) == (2, 2)
    assert panel.bar.value() == panel.bar.maximum() == 2
    with qtbot.assertNotEmitted(panel.valueChanged):
        panel.setValue(panel.value())
    dock.shut_down()


def test_the_new_setting_of_older_results_is_what_it_was_then() -> None:
    recipe = recipe_named("easy_first+easy_share=0.5")
    shares = [s.share for s in recipe.plan(recipe.presets["sound"]).stages]
    assert shares == [0.5, 1]
    today = recipe_named("easy_first").presets["sound"]
    stored = to_plain(today)
    assert stored.pop("easy_share") == 0.25
    assert fill_in(stored, today)["easy_share"] == 1


def test_the_new_entry_makes_its_change_again(session: Session) -> None:
    seen: list[Entry] = []
    session.entry_added.connect(seen.append)
    changed: Any = session
    changed.set_all_thresholds(0.5)
    assert dict(session.all_thresholds()) == {0: 0.5, 1: 0.5, 2: 0.5}
    session.set_threshold(2, 0.75)
    again = Session()
    again.classes = session.classes
    for entry in seen:
        files: Any = None  # these entries have none
        read_entry(entry.stored(), files).apply(again)
    assert again.thresholds == session.thresholds == {0: 0.5, 1: 0.5, 2: 0.75}
    assert session.records["phantom_000"].status[0] == Status.UNTOUCHED
