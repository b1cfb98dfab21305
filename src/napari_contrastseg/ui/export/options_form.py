"""A form for the options of an export, made of what they say about themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_type_hints

from magicgui.widgets import Container, create_widget

from napari_contrastseg.ui.widgets.forms import in_rows

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_contrastseg.tasks.exports import Export, Option


class OptionsForm:
    """Edits the options of one export.

    Attributes
    ----------
    fields : Container
        A widget for each option, by its name.
    page : QWidget
        The widgets, laid out in lines.
    """

    def __init__(self, export: Export) -> None:
        self._default = export.options
        hints = get_type_hints(type(export.options))
        self.fields: Container[Any] = Container(
            widgets=[
                _widget(name, option, hints[name], getattr(export.options, name))
                for name, option in export.meanings().items()
            ],
            labels=False,
        )
        self.page: QWidget = in_rows(self.fields)
        layout = self.page.layout()
        if layout is not None:
            layout.setContentsMargins(0, 0, 0, 0)

    def value(self) -> Any:
        """Return the options that were chosen."""
        return replace(self._default, **self.fields.asdict())

    def setValue(self, options: Any) -> None:  # noqa: N802
        """Show options."""
        for widget in self.fields:
            widget.value = getattr(options, widget.name)


def _widget(name: str, option: Option, kind: Any, value: Any) -> Any:
    about: dict[str, Any] = {"tooltip": option.help}
    if option.choices is not None:
        about["choices"] = list(option.choices().items())
    return create_widget(
        value, annotation=kind, name=name, label=option.label, options=about
    )
