"""Form for settings or export options: one widget a field, by magicgui."""

from __future__ import annotations

from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args

from magicgui.widgets import Container, FloatSpinBox, create_widget

from napari_contrastseg.learning.plan.setting import setting_fields

if TYPE_CHECKING:
    from magicgui.widgets import Widget

    from napari_contrastseg.learning.plan.setting import SettingField


def settings_form(settings: Any) -> Container[Any]:
    """Make a form of the plain fields of a dataclass of settings."""
    widgets = [
        _widget(entry, getattr(settings, entry.name))
        for entry in setting_fields(type(settings)).values()
        if _has_widget(entry.kind)
    ]
    return Container(widgets=widgets, labels=False)


def _has_widget(kind: Any) -> bool:
    """Whether there is a widget for a type; for numbers that may be None is none."""
    return not is_dataclass(kind) and (
        NoneType not in get_args(kind) or Path in get_args(kind)
    )


def _widget(entry: SettingField, value: Any) -> Widget:
    options = entry.form_options()
    made = create_widget(value, annotation=entry.kind, name=entry.name, options=options)
    if isinstance(made, FloatSpinBox):
        # `step` has set the decimals; a step by the size of the value suits 0.0001 and
        # 20 alike
        made.step = None
    return made
