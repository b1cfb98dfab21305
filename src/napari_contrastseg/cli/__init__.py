"""``contrastseg``: the same tasks as in the window, printed."""

from __future__ import annotations

import sys

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

BAD_INPUT, INTERRUPTED = 2, 130


def main() -> None:
    """Run the command line; never ends in a traceback for what a user did."""
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
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", INTERRUPTED)
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
