"""Step Export: lists what is found, each with a form of its options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_contrastseg.session.session import Session
from napari_contrastseg.tasks.exports import catalogue
from napari_contrastseg.tasks.exports.masks import MaskOptions
from napari_contrastseg.ui.export.controller import missing
from napari_contrastseg.ui.export.panel import ExportPanel, ExportSettings

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def panel(qtbot: QtBot) -> ExportPanel:
    made = ExportPanel()
    qtbot.addWidget(made)
    made.show()
    return made


def test_every_export_is_listed_with_its_options(panel: ExportPanel) -> None:
    listed = [panel.kind.itemText(i) for i in range(panel.kind.count())]
    assert listed == [export.title for export in catalogue().values()]
    for name, export in catalogue().items():
        panel.choose(name)
        assert panel.value() == ExportSettings(None, name, export.options)
        shown = [n for n, page in panel.pages.items() if page.isVisible()]
        assert shown == [name]


def test_a_form_offers_the_choices_of_an_option(panel: ExportPanel) -> None:
    fields = panel.form("masks")
    assert list(fields.ending.choices) == [
        "own",
        ".nii.gz",
        ".tif",
        ".ome.tif",
        "folder",
    ]
    fields.complete.value = False
    fields.origin.value = True
    assert panel.value().options == MaskOptions("own", complete=False, origin=True)
    assert "place in the world" in fields.ending.tooltip


def test_what_cannot_be_exported_yet_says_why(
    panel: ExportPanel, session: Session
) -> None:
    panel.setMissing(missing(Session()))
    assert not panel.run.isEnabled()
    assert panel.run.toolTip() == "Add a volume first"
    panel.setMissing(missing(session))
    assert panel.run.isEnabled()
    assert panel.run.toolTip() == catalogue()["masks"].summary
    panel.choose("model")
    assert not panel.run.isEnabled()
    assert panel.run.toolTip() == "Train a round first"


def test_where_the_rest_comes_from_is_said_of_masks_that_hold_it(
    panel: ExportPanel,
) -> None:
    assert not panel.rest.isVisible()
    panel.setRest("The rest is predicted: 3 slices from interpolation.")
    assert panel.rest.isVisible()
    panel.form("masks").complete.value = False
    assert not panel.rest.isVisible()
    panel.form("masks").complete.value = True
    panel.choose("dataset")
    assert not panel.rest.isVisible()
    panel.choose("masks")
    panel.setRest("")
    assert not panel.rest.isVisible()
