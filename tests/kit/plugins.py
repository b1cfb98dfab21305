"""A plug-in for the length of one test: one file, found by itself."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType


@contextmanager
def plugin_file(package: ModuleType, file: Path) -> Iterator[None]:
    """Let the file's folder be a part of a package whose ``catalogue`` is cached."""
    package.__path__.append(str(file.parent))
    package.catalogue.cache_clear()
    try:
        yield
    finally:
        package.__path__.remove(str(file.parent))
        package.catalogue.cache_clear()
        sys.modules.pop(f"{package.__name__}.{file.stem}", None)
        vars(package).pop(file.stem, None)
