"""How much memory this process, or the GPU, has needed at most."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import torch

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def settle(device: torch.device, *, peak: bool = True) -> int:
    """Wait for the device; begin a new peak if asked; bytes that are held now."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
        if peak:
            torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    if peak:
        gc.collect()
        if can_begin_again(device):
            _CLEAR.write_text("5")
    return int(psutil.Process().memory_info().rss)


def can_begin_again(device: torch.device) -> bool:
    """Whether a new peak can be begun: on a GPU, and on Linux."""
    return device.type == "cuda" or os.access(_CLEAR, os.W_OK)


def memory(device: torch.device) -> int:
    """Most bytes held since the peak began."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if _STATUS.is_file():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    info = psutil.Process().memory_info()
    if sys.platform == "win32":
        return int(info.peak_wset)
    import resource  # noqa: PLC0415

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
