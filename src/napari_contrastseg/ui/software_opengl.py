"""Whether this process draws by software; keep Triton out, which would crash there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

#: What is loaded in this process, on Linux.
_LOADED: Final = Path("/proc/self/maps")


def keep_triton_out() -> None:
    """Let Triton be missing where its LLVM would meet another one.

    Torch's compiler loads Triton where it is installed, as the CUDA build of torch
    brings it. Without a driver of the graphics card, Mesa draws by software with an
    LLVM of its own, and the process ends by a segmentation fault. Processes that train
    draw nothing; they keep Triton.
    """
    if "triton" not in sys.modules and draws_with_llvm():
        sys.modules["triton"] = None  # type: ignore[assignment]


def draws_with_llvm() -> bool:
    """Whether the LLVM that Mesa uses is loaded: it is, once something is drawn."""
    try:
        return b"/libLLVM" in _LOADED.read_bytes()
    except OSError:  # not Linux
        return False
