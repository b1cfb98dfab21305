"""One BLAS thread for small matrices: several stall each other on a busy computer.

Threads that wait for each other spin, and beside other programs one always waits.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK: Final = threading.Lock()
#: The limit, while anybody needs it: it holds for the process, not for a thread.
_HELD: Final[list[Any]] = []


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all that is loaded: 20 ms


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS compute in the thread that asks, until the last one here is done.

    Where that is another thread than the first, OpenBLAS may stay with one: slower by
    the number of cores at most, which is nothing beside threads that stall.
    """
    with _LOCK:
        first = not _HELD
        _HELD.append(_libraries().limit(limits=1, user_api="blas") if first else None)
    try:
        yield
    finally:
        with _LOCK:
            if len(_HELD) > 1:
                _HELD.pop()
            else:
                _HELD.pop().restore_original_limits()
