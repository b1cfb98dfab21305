"""Find plug-ins: every module of a package that holds one, without a list by hand."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Protocol, TypeVar


class Named(Protocol):
    """What can be found by its name."""

    @property
    def name(self) -> str:
        """The name, each different within a package."""
        ...


Plugin = TypeVar("Plugin", bound=Named)


def discover(package: str, attribute: str, kind: type[Plugin]) -> dict[str, Plugin]:
    """Import the modules of a package and collect their plug-ins by name.

    Parameters
    ----------
    package : str
        The package's full name; folders added to its ``__path__`` count, too.
    attribute : str
        Module-level name of the plug-in, or of a tuple of some that share their code;
        modules without it are helpers.
    kind : type
        What a plug-in must be.

    Raises
    ------
    TypeError
        The attribute is something else.
    ValueError
        Two modules give their plug-ins the same name.
    """
    found: dict[str, Plugin] = {}
    for entry in pkgutil.iter_modules(sys.modules[package].__path__):
        module = importlib.import_module(f"{package}.{entry.name}")
        plugins = getattr(module, attribute, ())
        for plugin in plugins if isinstance(plugins, tuple) else (plugins,):
            if not isinstance(plugin, kind):
                raise TypeError(
                    f"{module.__name__}.{attribute} must be a {kind.__name__}."
                )
            if plugin.name in found:
                name = module.__name__
                raise ValueError(f"{name}: there is another {plugin.name!r}.")
            found[plugin.name] = plugin
    return found
