"""Measurements in processes of their own, so that none inherits another's memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: Seconds between two looks at processes that run.
PAUSE: Final = 0.1
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def in_a_fresh_process(module: str, what: str, *arguments: str) -> dict[str, Any]:
    """Run a module that prints one JSON object.

    Raises
    ------
    InputError
        It failed; `what` names it.
    """
    done = subprocess.run(
        _order(module, arguments), check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise InputError(f"{what} could not be run: {_last_line(done.stderr)}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


@dataclass(frozen=True)
class Job:
    """A module to run; what it says goes to `log`, which stays only if it failed."""

    module: str
    arguments: tuple[str, ...]
    log: Path


def run_parallel(
    errands: Sequence[Job], at_once: int
) -> Iterator[tuple[int, str | None]]:
    """Run errands, `at_once` at a time, which share the cores.

    Processes that still run when this is closed are ended.

    Yields
    ------
    number of the errand that ended, and why it failed or None
    """
    share = max(1, (os.cpu_count() or 1) // at_once)
    threads = {name: os.environ.get(name, str(share)) for name in _THREADS}
    environment = os.environ | (threads if at_once > 1 else {})
    waiting = list(enumerate(errands))
    running: dict[int, subprocess.Popen[bytes]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                number, errand = waiting.pop(0)
                order = _order(errand.module, errand.arguments)
                errand.log.parent.mkdir(parents=True, exist_ok=True)
                with errand.log.open("wb") as log:
                    running[number] = subprocess.Popen(
                        order,
                        stdin=subprocess.PIPE,
                        stdout=log,
                        stderr=log,
                        env=environment,
                    )
            ended = [n for n, process in running.items() if process.poll() is not None]
            for number in ended:
                process = running.pop(number)
                _let_go(process)
                failed = process.returncode
                log_file = errands[number].log
                said = log_file.read_text(errors="replace") if failed else ""
                if not failed:
                    log_file.unlink(missing_ok=True)
                yield number, _last_line(said) if failed else None
            if not ended:
                time.sleep(PAUSE)
    finally:
        for process in running.values():
            process.terminate()
        for number, process in running.items():
            process.wait()
            _let_go(process)
            errands[number].log.unlink(missing_ok=True)


def end_with_caller() -> None:
    """End this process, an errand, when the one that sent it is gone, even killed."""

    def watch() -> None:
        sys.stdin.read()  # ends with the caller, who says nothing
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _let_go(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _order(module: str, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", module, *arguments]


def _last_line(said: str) -> str:
    return (said.strip().splitlines() or ["no reason given"])[-1]
