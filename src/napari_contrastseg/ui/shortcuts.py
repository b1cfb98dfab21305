"""Keys that napari's Preferences list and change, and commands by name, of each dock.

napari ignores keys in a plugin's manifest. What is registered with its manager of
actions stands in *Preferences > Shortcuts* and is stored there; its keys are bound
here, to the viewer and the layers of a dock alone, and follow what a person changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari.layers import Labels
from napari.settings import get_settings
from napari.utils.action_manager import action_manager
from napari.utils.key_bindings import KeymapProvider, coerce_keybinding
from psygnal import Signal

from napari_contrastseg.ui.notify import notify_info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from napari_contrastseg.ui.workspace import Workspace

PLUGIN: Final = "napari-contrastseg"
NO_DOCK: Final = (
    "ContrastSeg is not open in this window; open it with Plugins > Annotate "
    "(ContrastSeg)."
)


@dataclass(frozen=True)
class Key:
    """A key and what it does.

    Attributes
    ----------
    key : str, as napari writes it
        ``""`` for a command that has none until a person gives it one.
    words : str
        In the list of keys; ``""`` where another line stands for it.
    action : callable
    ours_alone : bool
        Bound on our layers alone: elsewhere napari's own meaning stays.
    repeats : bool
        Whether a key that is held down does it again and again.
    name : str
        Of the command, in the manifest and in napari's settings; where none is given it
        is made of the words.
    """

    key: str
    words: str
    action: Callable[[], object]
    ours_alone: bool = False
    repeats: bool = False
    name: str = ""

    @property
    def command(self) -> str:
        """Name of its command."""
        words = self.words or self.key
        return self.name or re.sub(r"\W+", "_", words.lower()).strip("_")


def usual(key: Key) -> str:
    """Give the key that a command has until a person changes it."""
    return key.key


class Docks:
    """The docks that are open, and the commands of each by name.

    Commands of the menu and the palette are given a viewer, and look here for its dock.
    """

    def __init__(self) -> None:
        self._docks: list[tuple[Any, Mapping[str, Callable[[], object]]]] = []

    def join(self, viewer: Any, commands: Mapping[str, Callable[[], object]]) -> None:
        """Add commands of a viewer's dock."""
        self._docks.append((_itself(viewer), commands))

    def leave(self, viewer: Any) -> None:
        """Forget a viewer's dock."""
        left = _itself(viewer)
        self._docks = [entry for entry in self._docks if entry[0] is not left]

    def run(self, viewer: Any, name: str) -> None:
        """Do what a command says, or say that no dock is open in the viewer."""
        for shown, commands in self._docks:
            if shown is _itself(viewer) and name in commands:
                commands[name]()
                return
        notify_info(NO_DOCK)


def _itself(viewer: Any) -> Any:
    """Give the viewer of what napari hands to plugins in its place."""
    return getattr(viewer, "__wrapped__", viewer)


DOCKS: Final = Docks()


class Shortcuts:
    """Binds the keys of one dock as napari's preferences have them.

    Parameters
    ----------
    workspace : Workspace
    keys : sequence of Key

    Signals
    -------
    changed()
        A command has another key now.
    """

    changed = Signal()

    def __init__(self, workspace: Workspace, keys: Sequence[Key]) -> None:
        self._workspace = workspace
        self._keys = {key.command: key for key in keys}
        self._bound = {name: _known(key) for name, key in self._keys.items()}
        self._bind(self._targets(), self._keys)
        workspace.viewer.layers.events.inserted.connect(self._on_layer)
        action_manager.events.shortcut_changed.connect(self._on_changed)
        DOCKS.join(workspace.viewer, {n: k.action for n, k in self._keys.items()})

    def now(self, key: Key) -> str:
        """Give the keys that a command has now, as napari writes them."""
        bound = [coerce_keybinding(one) for one in self._bound[key.command]]
        if key.key and bound == [coerce_keybinding(key.key)]:
            return key.key
        return ", ".join(str(one).replace("+", "-") for one in bound)

    def close(self) -> None:
        """Give the keys back."""
        DOCKS.leave(self._workspace.viewer)
        action_manager.events.shortcut_changed.disconnect(self._on_changed)
        self._workspace.viewer.layers.events.inserted.disconnect(self._on_layer)
        self._unbind(self._keys)

    def _targets(self) -> list[Any]:
        """Give the viewer, and our layers in it."""
        workspace = self._workspace
        layers = [
            layer
            for layer in workspace.viewer.layers
            if isinstance(layer, Labels) and workspace.registry.owner(layer)
        ]
        return [workspace.viewer, *layers]

    def _on_layer(self, event: Any) -> None:
        """Bind keys to a layer of ours, one in 3-D too: napari would undo there."""
        layer = event.value
        if isinstance(layer, Labels) and self._workspace.registry.owner(layer):
            self._bind([layer], self._keys)

    def _bind(self, targets: Iterable[Any], names: Iterable[str]) -> None:
        for name in names:
            entry, pressed = self._keys[name], _slot(self._keys[name])
            for target in targets:
                if entry.ours_alone and target is self._workspace.viewer:
                    continue
                for key in self._bound[name]:
                    target.bind_key(key, pressed, overwrite=True)

    def _unbind(self, names: Iterable[str]) -> None:
        for target in self._targets():
            for name in names:
                for key in self._bound[name]:
                    target.keymap.pop(coerce_keybinding(key), None)

    def _on_changed(self, event: Any) -> None:
        """Follow napari, which says ``""`` where it takes away an action's keys."""
        name = str(event.name).removeprefix(f"{PLUGIN}:")
        if name == event.name or name not in self._keys:
            return
        self._unbind([name])
        kept = self._bound[name]
        self._bound[name] = (*kept, event.shortcut) if event.shortcut else ()
        self._bind(self._targets(), [name])
        self.changed.emit()


def _known(key: Key) -> tuple[Any, ...]:
    """List a command in napari; gives the keys a person chose, or the usual one."""
    usual = [coerce_keybinding(key.key)] if key.key else []
    if not key.words:
        return tuple(usual)
    name = f"{PLUGIN}:{key.command}"
    chosen = get_settings().shortcuts.shortcuts.get(name, usual)
    words = f"ContrastSeg: {key.words[0].lower()}{key.words[1:]}"
    action_manager.register_action(name, _listed(key), words, _Nobodys, key.repeats)
    for one in chosen:
        action_manager.bind_shortcut(name, one)
    return tuple(chosen)


class _Nobodys(KeymapProvider):
    """Where napari binds what it knows of our keys: nothing looks there."""


def _listed(key: Key) -> Callable[[], None]:
    """Stand for a command in napari's lists, which ask for its name."""

    def listed() -> None:
        notify_info(NO_DOCK)

    listed.__name__ = key.command
    return listed


def _slot(key: Key) -> Callable[[Any], None]:
    """Napari hands the viewer or layer to a key's function; ours need none."""
    action = key.action

    def pressed(_source: Any) -> None:
        action()

    pressed.__name__ = key.command
    return pressed
