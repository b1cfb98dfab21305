"""Priority of threads that run tasks: behind the window, yet not starved."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from napari_contrastseg.tasks.priority import (
    ROUND_NICENESS,
    TASK_NICENESS,
    lower_priority,
)

linux = pytest.mark.skipif(sys.platform != "linux", reason="threads share one priority")


def in_a_thread(niceness: int = TASK_NICENESS) -> list[tuple[int, int]]:
    """Lower a thread's priority; returns policy and niceness of it and of its child."""
    found: list[tuple[int, int]] = []

    def look() -> None:
        me = threading.get_native_id()
        found.append((os.sched_getscheduler(me), os.getpriority(os.PRIO_PROCESS, me)))

    def work() -> None:
        lower_priority(niceness)
        look()
        child = threading.Thread(target=look)
        child.start()
        child.join()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return found


@linux
def test_a_task_is_a_batch_job_and_so_are_the_threads_it_starts() -> None:
    """Those of OpenMP are started by the thread that first needs them."""
    niceness = max(TASK_NICENESS, os.getpriority(os.PRIO_PROCESS, 0))
    assert in_a_thread(niceness) == [(os.SCHED_BATCH, niceness)] * 2
    assert os.sched_getscheduler(0) == os.SCHED_OTHER, "the window's thread stays"


@linux
def test_threads_of_openmp_give_way_as_well() -> None:
    """A fresh process: one OpenMP thread beside each that computes with torch."""
    code = """
import os, threading, torch
from napari_contrastseg.tasks.priority import lower_priority
def work():
    lower_priority(19)
    torch.set_num_threads(2)
    before = set(os.listdir("/proc/self/task"))
    torch.zeros(10**6).add_(1).sum()
    new = set(os.listdir("/proc/self/task")) - before
    print(sorted({os.sched_getscheduler(int(t)) for t in new}), len(new))
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == [f"[{os.SCHED_BATCH}]", "1"]


@linux
def test_where_batch_jobs_are_forbidden_niceness_alone_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbidden)
    assert in_a_thread(19) == [(os.SCHED_OTHER, 19)] * 2


def test_a_task_beside_a_busy_program_keeps_a_third_of_a_core() -> None:
    """By the kernel's weights, 1024 at niceness 0 and a quarter less each step."""
    weight = 1024 / 1.25**TASK_NICENESS
    assert weight / (weight + 1024) > 1 / 3


def test_a_round_in_a_process_keeps_a_fifth_and_gives_way_more_than_a_thread() -> None:
    """In a thread it also waits for the interpreter; in a process for nothing."""
    weight = 1024 / 1.25**ROUND_NICENESS
    assert weight / (weight + 1024) > 1 / 5
    assert ROUND_NICENESS > TASK_NICENESS
