"""Computing device: choice, memory, transfer, mixed precision."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from napari_contrastseg.io.errors import (
    ComputerMemoryError,
    DeviceMemoryError,
    InputError,
)
from napari_contrastseg.io.memory_bound import memory_bound
from napari_contrastseg.learning.runtime.cores import all_cores, cores_now

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Processes on a CPU's cores that may always be tried, however few the cores are.
MOST_PROCESSES: Final = 8
#: What libraries write when memory ran out and they have no type of error for it.
_GPU_IS_FULL: Final = re.compile(
    r"\b(CUDA|HIP|MPS|XPU)\b.* out of memory|STATUS_ALLOC_FAILED"
)
_COMPUTER_IS_FULL: Final = re.compile(r"DefaultCPUAllocator|bad_alloc")


def pick_device(choice: str = "auto") -> torch.device:
    """Pick the device for a choice: ``auto`` takes a CUDA GPU where there is one.

    Raises
    ------
    InputError
        CUDA is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if choice == "cuda" and not available:
        raise InputError(
            "No CUDA GPU can be used here (contrastseg doctor says why); choose the "
            "device auto or cpu."
        )
    return torch.device("cuda" if available and choice != "cpu" else "cpu")


def pick_devices(choice: str, count: int) -> tuple[torch.device, ...]:
    """Pick the devices that share a run: GPUs, or processes on the CPU's cores.

    Raises
    ------
    InputError
        There are fewer GPUs, far fewer cores, or the GPUs are not all of one kind: they
        would draw other random numbers from the same seed.
    """
    first = pick_device(choice)
    most = max(MOST_PROCESSES, all_cores())
    if choice == "cpu" and count > most:
        raise InputError(
            f"{count} devices are asked for, and on this CPU at most {most} processes "
            "share a run; ask for fewer, as more than its cores are of no use."
        )
    if count == 1 or choice == "cpu":
        return (first,) * count
    there = torch.cuda.device_count() if first.type == "cuda" else 0
    if count > there:
        raise InputError(
            f"{count} devices are asked for and {there} CUDA GPUs can be used here "
            "(contrastseg doctor says why); ask for fewer devices, or choose the "
            "device cpu, whose cores several processes then share."
        )
    kinds = sorted({torch.cuda.get_device_name(index) for index in range(count)})
    if len(kinds) > 1:
        raise InputError(
            f"The first {count} GPUs are of different kinds ({', '.join(kinds)}); "
            "choose alike ones by the environment variable CUDA_VISIBLE_DEVICES, or "
            "ask for one device."
        )
    return tuple(torch.device("cuda", index) for index in range(count))


def describe_device(device: torch.device) -> str:
    """One short phrase for people, with the memory that is free."""
    if device.type != "cuda":
        return f"CPU, {os.cpu_count()} cores"
    free, total = torch.cuda.mem_get_info(device)
    name = torch.cuda.get_device_name(device)
    return f"{name}, {free / 2**30:.0f} of {total / 2**30:.0f} GB free"


def leave_a_core() -> None:
    """Limit torch to all cores but one, so that the window stays responsive.

    The number of threads is kept by each thread: call it in the one that trains.
    """
    torch.set_num_threads(max(1, all_cores() - 1))


def use_all_cores() -> None:
    """Let torch use all cores; as `leave_a_core`, in the thread that calls it."""
    torch.set_num_threads(all_cores())


def share_cores() -> None:
    """Let torch use all cores, or all but one while a person uses the window.

    As `leave_a_core`, for work that asks again every now and then.
    """
    torch.set_num_threads(cores_now())


@contextmanager
def memory_may_end(device: torch.device) -> Iterator[None]:
    """Turn torch's out-of-memory error into a message for the user.

    Raises
    ------
    DeviceMemoryError
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        short = memory_error(error, device)
        if short is None:
            raise
        release(device)
        raise short from None


def memory_error(
    error: BaseException, device: object = "the GPU", where: str = ""
) -> DeviceMemoryError | None:
    """Recognise an error that says that memory ran out, and put it in a sentence.

    Returns
    -------
    None for any other error.
    """
    said = str(error) if isinstance(error, RuntimeError) else ""
    if isinstance(error, torch.OutOfMemoryError) or _GPU_IS_FULL.search(said):
        return DeviceMemoryError(
            f"{device}: its memory ran out{where}; close other programs that use it, "
            "or choose the CPU."
        )
    if isinstance(error, MemoryError) or _COMPUTER_IS_FULL.search(said):
        return ComputerMemoryError(
            f"The memory of this computer ran out{where}; close other programs, or "
            "choose coarser pixels or smaller volumes."
        )
    return None


def release(device: torch.device) -> None:
    """Give cached GPU memory back to the system."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Bring a tensor to a device; to a GPU without waiting for it."""
    if tensor.device == device:
        return tensor
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def is_asynchronous(device: torch.device) -> bool:
    """Whether the device runs behind the host, as a GPU does.

    On such a device reading a value blocks the host: keep shapes fixed, and mask with
    zero weight.
    """
    return device.type != "cpu"


def autocast(device: torch.device) -> torch.autocast:
    """Mixed precision: networks compute in bfloat16 on CUDA, as usual elsewhere."""
    able = device.type == "cuda" and torch.cuda.is_bf16_supported(
        including_emulation=False
    )
    return torch.autocast(device.type, torch.bfloat16, enabled=able)


def prepare(network: nn.Module, device: torch.device) -> None:
    """Bring a network to a device, its weights with their channels last in memory.

    The maps then follow. That is faster on a CPU where channels are few, and what
    tensor cores want.
    """
    mps = device.type == "mps"
    order = torch.contiguous_format if mps else torch.channels_last
    network.to(device)
    network.to(memory_format=order)  # type: ignore[call-overload]


#: glibc's names for its settings (mallopt), and what they are while training and after.
_TRIM, _PAD, _MMAP = -1, -2, -3
_WHILE = {_MMAP: 256 * 2**20, _TRIM: 512 * 2**20, _PAD: 64 * 2**20}
_AFTER = {_MMAP: 32 * 2**20, _TRIM: 64 * 2**20, _PAD: 128 * 2**10}
#: Where memory is small: what is freed goes back at once, and a step takes longer.
_SMALL = {_MMAP: 2**20, _TRIM: 2**20, _PAD: 128 * 2**10}
#: Bound of memory up to which it counts as small.
SMALL_BOUND: Final = 2**31


@contextmanager
def kept_memory(device: torch.device) -> Iterator[None]:
    """Keep a CPU run's memory allocated between steps, and free all of it at the end.

    glibc returns large blocks to the system at once; every step then pays for
    allocating them again, page by page. What is kept is up to twice what a step needs,
    so that it is not where the bound of memory is small. No effect elsewhere.
    """
    libc = _glibc() if device.type == "cpu" else None
    if libc is None:
        yield
        return
    small = memory_bound() <= SMALL_BOUND
    libc.malloc_trim(0)
    for name, value in (_SMALL if small else _WHILE).items():
        libc.mallopt(name, value)
    try:
        yield
    finally:
        for name, value in (_SMALL if small else _AFTER).items():
            libc.mallopt(name, value)
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return None
    return ctypes.CDLL("libc.so.6")
