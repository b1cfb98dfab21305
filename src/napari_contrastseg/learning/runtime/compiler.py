"""Do without torch's compiler where nothing is compiled: to load it takes seconds."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

COMPILER: Final = "torch._dynamo"


def call_without_compiler(*functions: Callable[..., Any] | None) -> None:
    """Let functions that torch's compiler passes over be called before it is loaded.

    Torch loads it when one of them is called for the first time, to mark them for it.
    Nothing is changed where it is loaded already, nor of other functions.
    """
    if COMPILER in sys.modules:
        return
    for function in functions:
        marked: Any = getattr(function, "__wrapped__", None)
        if marked is not None:
            marked.__dynamo_disable = marked  # noqa: SLF001  the mark that torch sets
