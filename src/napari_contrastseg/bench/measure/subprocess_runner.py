"""Measurements in processes of their own, so that none inherits another's memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

#: Seconds between two looks at processes that run.
PAUSE: Final = 0.1
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def in_a_fresh_process(
    module: str, what: str, *arguments: str, **environment: str
) -> dict[str, Any]:
    """Run a module that prints one JSON object, with changes of the environment.

    Raises
    ------
    InputError
        It failed; `what` names it.
    """
    done = subprocess.run(
        _order(module, arguments),
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )
    if done.returncode:
        raise InputError(f"{what} could not be run: {_last_line(done.stderr)}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


class EndedError(Exception):
    """A process failed before its last line; says how it ended."""


def print_found(about: Mapping[str, Any]) -> None:
    """Print a line of JSON for the process that runs `printed_by`."""
    print(json.dumps(about), flush=True)  # noqa: T201


def printed_by(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
) -> Generator[dict[str, Any]]:
    """Run a module that prints what it finds; yields each line as it comes.

    The process is ended when this is closed.

    Parameters
    ----------
    environment : mapping
        Changes of this process's own.

    Raises
    ------
    EndedError
        It failed.
    """
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            _order(module, arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env=os.environ | environment,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("{"):
                    yield dict(json.loads(line))
        except BaseException:
            process.kill()
            raise
        if status := process.wait():
            said.seek(0)
            why = _last_line(said.read().decode(errors="replace"))
            raise EndedError(f"exit status {status}: {why[:300]}")


@dataclass(frozen=True)
class Job:
    """A module to run; what it says goes to `log`, which stays only if it failed."""

    module: str
    arguments: tuple[str, ...]
    log: Path


def run_parallel(jobs: Sequence[Job], at_once: int) -> Iterator[tuple[int, str | None]]:
    """Run jobs, `at_once` at a time, which share the cores.

    Processes that still run when this is closed are ended.

    Yields
    ------
    number of the job that ended, and why it failed or None
    """
    share = max(1, (os.cpu_count() or 1) // at_once)
    threads = {name: os.environ.get(name, str(share)) for name in _THREADS}
    environment = os.environ | (threads if at_once > 1 else {})
    closed = threading.Event()
    with ThreadPoolExecutor(at_once) as pool:
        numbers = {
            pool.submit(run_job, job, closed, environment): number
            for number, job in enumerate(jobs)
        }
        try:
            for done in as_completed(numbers):
                yield numbers[done], done.result()
        finally:
            closed.set()
            pool.shutdown(cancel_futures=True)


def run_job(
    job: Job, closed: threading.Event, environment: Mapping[str, str] | None = None
) -> str | None:
    """Run a job to its end, or until closed; returns why it failed, or None."""
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with (
        job.log.open("wb") as log,
        subprocess.Popen(
            _order(job.module, job.arguments),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=environment,
        ) as process,
    ):
        while process.poll() is None:
            if closed.wait(PAUSE):
                process.terminate()
                process.wait()
    if process.returncode and not closed.is_set():
        return _last_line(job.log.read_text(errors="replace"))
    job.log.unlink(missing_ok=True)
    return None


def end_with_caller() -> None:
    """End this process, a job, when the one that started it is gone, even killed."""

    def watch() -> None:
        sys.stdin.read()  # ends with the caller, who says nothing
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _order(module: str, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", module, *arguments]


def _last_line(said: str) -> str:
    return (said.strip().splitlines() or ["no reason given"])[-1]
