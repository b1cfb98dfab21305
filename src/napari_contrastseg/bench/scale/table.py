"""The report of `bench scale` as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN = ("seconds", "peak_mb")


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Give a line for each step of each volume, and of the picture."""
    yield f"memory over the imports, with the bound at {report['memory']}"
    for one in report["volumes"]:
        yield from _of(f"{one['gb']:g} GB", one)
    if "picture" in report:
        yield from _of("picture", report["picture"])
    for name, growth in report["growth_mb_per_gb"].items():
        yield f"{'growth':<10} {name:<10} {growth:>10.1f} MB a GB"


def _of(name: str, one: dict[str, Any]) -> Iterator[str]:
    if "failed" in one:
        yield f"{name:<10} {one['failed']}"
        return
    for step, found in one["steps"].items():
        seconds = found.get("seconds")
        took = "-" if seconds is None else f"{seconds:.2f} s"
        rest = ", ".join(
            f"{key} {value}" for key, value in found.items() if key not in _SHOWN
        )
        yield f"{name:<10} {step:<10} {took:>10} {found['peak_mb']:>9.1f} MB  {rest}"
    for key, value in (one.get("window") or {}).items():
        yield f"{name:<10} window     {key} {value}"
