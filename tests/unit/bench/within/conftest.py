"""Cells of a comparison are computed in this process."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from napari_contrastseg.bench.within import annotate, answers, run_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_contrastseg.bench.measure.subprocess_runner import Job


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run in this process what would have one of its own; the names of it."""
    names: list[str] = []

    def here(jobs: Sequence[Job], _: int) -> Iterator[tuple[int, str | None]]:
        for number, job in enumerate(jobs):
            names.append(job.log.stem)
            import_module(job.module).main(*job.arguments)
            yield number, None

    monkeypatch.setattr(run_cells, "run_parallel", here)
    for module in (annotate, answers):  # all tests after this one would be slow
        monkeypatch.setattr(module, "lower_priority", lambda _: None)
    return names
