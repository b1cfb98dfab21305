"""The command that measures the smart brush, boxes and clicks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from napari_contrastseg.cli.options import (
    PATH,
    emit,
    follow,
    interrupted,
    json_option,
    kept_nothing,
    numbers,
    seed_option,
)

if TYPE_CHECKING:
    from pathlib import Path


@click.command("smart")
@click.argument("dataset", type=PATH, required=False)
@click.option("--cases", help="ID,ID,... of the data set; by default all with labels.")
@click.option("--slices", type=click.IntRange(1), default=8, show_default=True)
@click.option("--axis", type=click.IntRange(0, 2), default=2, show_default=True)
@click.option(
    "--sizes",
    default="256,512,1024",
    show_default=True,
    help='Sides of slices to measure times on: PIXELS,...; "" for none.',
)
@seed_option
@json_option
def bench_smart(
    *,
    dataset: Path | None,
    cases: str | None,
    slices: int,
    axis: int,
    sizes: str,
    seed: int,
    json_file: Path | None,
) -> None:
    """Measure the smart brush, boxes and clicks: time, and quality on a DATASET.

    Strokes cover the inner 60 % of a structure, lie a quarter of its radius off, or go
    over its border by 30 %; boxes are up to 10 % off at each side; clicks go into the
    middle of what is wrong most. Beside them: what was painted as it is, and
    scikit-image's random walker.
    """
    from napari_contrastseg.bench.smart.smart import SmartRequest, smart  # noqa: PLC0415

    request = SmartRequest(
        dataset,
        tuple(cases.split(",")) if cases else None,
        slices,
        axis,
        numbers("--sizes", sizes, int) if sizes else (),
        seed,
    )
    with interrupted(kept_nothing):
        report = follow(smart(request))
    emit(report, json_file)
    if json_file is not None:
        return
    for name, ways in report.get("quality", {}).items():
        click.echo(f"{name}: Dice as painted, random walker, ours")
        for way, found in ways.items():
            dice = "  ".join(f"{found[key]:.3f}" for key in ("plain", "walker", "ours"))
            click.echo(f"  {way:<14} {dice}  worse {found['worse']:.0%}")
    for size, tools in report["times"].items():
        for tool, taken in tools.items():
            wall, cpu = (
                f"{taken[f'{kind}_median_ms']} ({taken[f'{kind}_p95_ms']})"
                for kind in ("wall", "cpu")
            )
            click.echo(f"{size} px  {tool:<12} ms median (95 %): {wall}, CPU {cpu}")
