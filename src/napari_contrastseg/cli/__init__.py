"""``contrastseg``: the same tasks as in the window, printed."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from napari_contrastseg.cli import (
    annotate_sim,
    bench,
    demo,
    doctor,
    export,
    export_dataset,
    learning,
    worker,
)
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

BAD_INPUT, BY_SIGNAL = 2, 128
INTERRUPTED = BY_SIGNAL + signal.SIGINT


def main() -> None:
    """Run the command line; never ends in a traceback for what a user did."""
    with _streams(), _end_signals_answered() as end:
        _run(end)


@contextmanager
def _streams() -> Iterator[None]:
    """Let what is said go nowhere where a caller closed stdout or stderr."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        out, err = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = out or nowhere, err or nowhere
        try:
            yield
        finally:
            sys.stdout, sys.stderr = out, err


class _EndSignal:
    """A signal to end, of kill or of a batch system: answered as Ctrl+C is.

    So temporary files go, and what is kept is said.
    """

    status = INTERRUPTED

    def __call__(self, number: int, _frame: Any) -> NoReturn:
        self.status = BY_SIGNAL + number
        raise KeyboardInterrupt


@contextmanager
def _end_signals_answered() -> Iterator[_EndSignal]:
    """Answer the signals that would end this process at once."""
    end, before = _EndSignal(), {}
    for name in ("SIGTERM", "SIGHUP"):  # the second is not known to Windows
        number = getattr(signal, name, None)
        # nohup and other programs have a say first
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, end)
    try:
        yield end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(end: _EndSignal) -> None:
    try:
        status = cli.main(standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except InputError as error:
        _fail(str(error), BAD_INPUT)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(BAD_INPUT)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "contrastseg"
        _fail(f"{error.format_message()} ({where} --help)", BAD_INPUT)
    except click.ClickException as error:
        _fail(error.format_message(), BAD_INPUT)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        _fail(_in_words(error), BAD_INPUT)
    except (click.Abort, KeyboardInterrupt) as error:
        stop = error.__cause__ if isinstance(error, click.Abort) else error
        words = stop.args if isinstance(stop, KeyboardInterrupt) else ()
        _fail("; ".join(["interrupted", *map(str, words)]), end.status)
    except (MemoryError, RuntimeError) as error:
        from napari_contrastseg.learning.runtime.device import memory_error  # noqa: PLC0415

        short = memory_error(error)
        if short is None:
            raise
        _fail(str(short), BAD_INPUT)


def _in_words(error: OSError) -> str:
    where = error.filename or "a file"
    if isinstance(error, PermissionError):
        return f"{where}: may not be used by you; change its permissions."
    return f"{where}: {error.strerror or error}"


def _fail(message: str, status: int) -> None:
    print(f"contrastseg: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    sys.exit(status)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Label a few slices, train, predict, evaluate; the window is in napari."""


for command in (
    learning.recipes,
    learning.train,
    learning.predict,
    worker.worker,
    learning.evaluate,
    demo.demo,
    annotate_sim.annotate_sim,
    export.export,
    export_dataset.export_dataset,
    doctor.doctor,
    bench.bench,
):
    cli.add_command(command)
