"""The form of a method's settings says and keeps what their fields say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from magicgui.widgets import ComboBox, FloatSpinBox

from napari_contrastseg.learning.plan.setting import setting_fields
from napari_contrastseg.recipes import catalogue
from napari_contrastseg.ui.widgets.settings_form import settings_form

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.mark.parametrize("name", sorted(catalogue()))
@pytest.mark.parametrize("preset", ["sound", "literal"])
def test_a_form_holds_the_exact_values_of_a_preset(
    qtbot: QtBot, name: str, preset: str
) -> None:
    settings = catalogue()[name].presets[preset]
    form = settings_form(settings)
    qtbot.addWidget(form.native)
    found = setting_fields(type(settings))
    for widget in form:
        assert widget.value == getattr(settings, widget.name)
        assert widget.tooltip == found[widget.name].setting.meaning


def test_a_form_offers_the_range_and_the_decimals(qtbot: QtBot) -> None:
    form = settings_form(catalogue()["cssl2021"].presets["sound"])
    qtbot.addWidget(form.native)
    rate = form["lr"]
    assert isinstance(rate, FloatSpinBox)
    assert (rate.min, rate.max) == (0, 1)
    rate.value = 0.00003
    assert rate.value == pytest.approx(0.00003)
    rate.value = 0.002
    rate.native.stepUp()
    assert rate.value == pytest.approx(0.0021)
    assert form["patch"].min == 1


def test_a_form_offers_pixel_sizes_by_their_words(qtbot: QtBot) -> None:
    form = settings_form(catalogue()["recommended"].presets["sound"])
    qtbot.addWidget(form.native)
    box = form["coarser"]
    assert isinstance(box, ComboBox)
    assert (box.value, box.current_choice) == (0.0, "auto")
    assert box.choices == (0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0, 16.0, 32.0)
