"""The worker command: a Dask worker that trains and predicts for other computers."""

from __future__ import annotations

import click

from napari_contrastseg.io.errors import InputError


@click.command()
@click.argument("address", required=False)
@click.option("--local", is_flag=True, help="Start a scheduler, too: without ADDRESS.")
@click.option(
    "--listen",
    metavar="ADDRESS",
    help="Where the scheduler listens, tcp://localhost:8786 by default.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes; they share the cores.",
)
@click.option(
    "--cores", type=click.IntRange(1), help="Cores of all of them; all by default."
)
@click.option("--gpu", type=click.IntRange(0), help="Number of the GPU to use.")
def worker(
    *,
    address: str | None,
    local: bool,
    listen: str | None,
    workers: int,
    cores: int | None,
    gpu: int | None,
) -> None:
    """Train and predict for others: start a scheduler with a worker, until Ctrl+C.

    With ADDRESS join the scheduler that is there, as one more worker.
    """
    from napari_contrastseg.tasks.cluster.serve import Offer, serve  # noqa: PLC0415

    if address is not None and (local or listen is not None):
        raise InputError(
            f"{address}: joins a scheduler that is there, so leave --local and "
            "--listen out."
        )
    serve(Offer(address, listen, workers, cores, gpu), click.echo)
