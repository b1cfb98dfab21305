"""The report of `bench scale` as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHOWN = ("seconds", "peak_mb", "imports_mb", "when", "commit")
_PARTS = ("steps", "window", "napari")


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Give a line for each step of each volume and picture."""
    yield f"memory over the imports, with the bound at {report['memory']}"
    for one in report["sizes"]:
        yield from _of(f"{one['gb']:g} GB", one)
    for one in report["pictures"]:
        yield from _of(f"{one['side']} px", one)
    for name, growth in report["growth_mb_per_gb"].items():
        yield f"{'growth':<8} {'':<7} {name:<10} {growth:>10.1f} MB a GB"


def step_line(case: str, part: str, step: str, found: Mapping[str, Any]) -> str:
    """Say what was measured of a step."""
    seconds, most = found.get("seconds"), found.get("peak_mb")
    took = "-" if seconds is None else f"{seconds:.2f} s"
    memory = "-" if most is None else f"{most:.1f} MB"
    rest = ", ".join(
        f"{key} {value}" for key, value in found.items() if key not in _SHOWN
    )
    return f"{case:<8} {part:<7} {step:<10} {took:>10} {memory:>11}  {rest}"


def _of(name: str, one: dict[str, Any]) -> Iterator[str]:
    for part in _PARTS:
        for step, found in one.get(part, {}).items():
            yield step_line(name, part, step, found)
