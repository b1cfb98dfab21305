"""Meaning, range and choices of a setting, written at its field. Free of torch."""

from __future__ import annotations

import inspect
import math
from dataclasses import KW_ONLY, dataclass, fields
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args, get_type_hints

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import with_changes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

T = TypeVar("T")
#: Largest number in a form, where a setting has no maximum.
FORM_MAX: Final = 10**7
#: Largest number that a setting takes at all.
MOST: Final = 10**15
#: What types take that have few values, or none that can be listed.
_WORDS: Final[Mapping[Any, Sequence[str]]] = {
    bool: ("true", "false"),
    NoneType: ("null",),
    Path: ("a file",),
}


@dataclass(frozen=True)
class Setting:
    """What a field of settings means: ``Annotated[type, Setting(...)]``.

    Attributes
    ----------
    meaning : str
        For people who choose a value.
    min, max : float or None
        Smallest and largest number; None: any.
    step : float or None
        Smallest change in a form; None: 1 of an integer, 0.01 of another number.
    choices : mapping of str to value, or None
        Values that a form offers, by their words. Without a range there are no others.
    unit : str
        What a number counts.
    label : str
        In a form; the field's name by default.
    before : value
        What a result stands for that is older than the field; ``...``: its default.
    """

    meaning: str
    _: KW_ONLY
    min: float | None = None
    max: float | None = None
    step: float | None = None
    choices: Mapping[str, Any] | None = None
    unit: str = ""
    label: str = ""
    before: Any = ...

    def takes(self, value: Any) -> bool:
        """Whether a value of the right type is allowed; None always is."""
        if value is None or value in (self.choices or {}).values():
            return True
        return self._in_range(value) if self._range else not self.choices

    def numbers(self) -> list[str]:
        """Name the choices that lie outside the range, and the range."""
        choices = [
            value if isinstance(value, str) else f"{value:g} ({word})"
            for word, value in (self.choices or {}).items()
            if not (isinstance(value, bool) or (self._range and self._in_range(value)))
        ]
        return [*choices, self._range] if self._range else choices

    @property
    def _range(self) -> str:
        unit = f" ({self.unit})" if self.unit else ""
        if self.max is None:
            return "" if self.min is None else f"at least {self.min:g}{unit}"
        low = "at most" if self.min is None else f"{self.min:g} to"
        return f"{low} {self.max:g}{unit}"

    def _in_range(self, value: float) -> bool:
        low = -math.inf if self.min is None else self.min
        high = math.inf if self.max is None else self.max
        return math.isfinite(value) and low <= value <= high


@dataclass(frozen=True)
class SettingField:
    """A field of a settings dataclass: its name, type and `Setting`."""

    name: str
    kind: Any
    setting: Setting

    def choices(self) -> list[Any]:
        """Values that a form offers; none where any number, file or object goes."""
        words = [word for word in get_args(self.kind) if isinstance(word, str)]
        return words or list((self.setting.choices or {}).values())

    def values(self) -> str:
        """Name the values that it takes, as `--set` reads them."""
        words = self.setting.numbers()
        for kind in get_args(self.kind) or (self.kind,):
            words += [kind] if isinstance(kind, str) else _WORDS.get(kind, ())
        *most, last = words or [""]
        return f"{', '.join(most)} or {last}" if most else last

    def check(self, value: Any, where: str) -> None:
        """Refuse a value outside the range.

        Raises
        ------
        InputError
            Naming `where`, the setting, the value and the range.
        """
        if type(value) is int and abs(value) > MOST:
            raise InputError(f"{where}: {self.name}: {value} is too large a number.")
        if not self.setting.takes(value):
            raise InputError(
                f"{where}: {self.name}: {value} is not allowed; give {self.values()}."
            )

    def form_options(self) -> dict[str, Any]:
        """Say what magicgui's `create_widget` takes as options for such a value."""
        s = self.setting
        options: dict[str, Any] = {
            "label": s.label or self.name.replace("_", " "),
            "tooltip": s.meaning,
        }
        if s.choices:
            options["choices"] = list(s.choices.items())
        elif self.kind in (int, float):
            low = -FORM_MAX if s.min is None else s.min
            high = FORM_MAX if s.max is None else s.max
            options |= {"min": low, "max": high, "step": s.step}
        return options


def setting_fields(settings: type[Any]) -> dict[str, SettingField]:
    """Describe all fields of a settings dataclass, by name and in order.

    A subclass that gives a field another default keeps its `Setting`, or gives another.
    """
    hints, found = get_type_hints(settings), _annotated(settings)
    names = [field.name for field in fields(settings)]
    if bare := set(names) - set(found):
        raise TypeError(f"{settings}: without a Setting: {', '.join(sorted(bare))}")
    return {name: SettingField(name, hints[name], found[name]) for name in names}


def changed(
    settings: T, changes: Mapping[str, str], unknown: str, option: str = "--set"
) -> T:
    """Change settings to values that were typed; parameters as in `with_changes`.

    Raises
    ------
    InputError
        There is no such setting, or it does not take that value: naming the option.
    """
    found = with_changes(settings, changes, unknown, option)
    described = setting_fields(type(found))
    for name in changes:
        described[name].check(getattr(found, name), option)
    return found


def values_before(kind: type[Any]) -> dict[str, Any]:
    """List what fields of a dataclass stood for before they existed, by name.

    Only where that is not their default.
    """
    found = _annotated(kind)
    return {name: s.before for name, s in found.items() if s.before is not ...}


def _annotated(settings: type[Any]) -> dict[str, Setting]:
    found = {}
    for kind in reversed(settings.mro()):
        # of others, types may be named that only type checkers import
        if "Annotated[" not in str(inspect.get_annotations(kind)):
            continue
        for name, hint in inspect.get_annotations(kind, eval_str=True).items():
            for part in getattr(hint, "__metadata__", ()):
                if isinstance(part, Setting):
                    found[name] = part
    return found
