"""bench throughput --busy: with our settings and without, in turn."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from napari_contrastseg.bench.measure import busy, throughput_case
from napari_contrastseg.bench.measure.busy import BusyCase, beside, measure

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_each_case_runs_beside_the_same_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With our settings a case takes twice the steps of that without."""
    spun: list[int] = []
    asked: list[tuple[dict[str, Any], str]] = []

    @contextmanager
    def spinning(count: int) -> Iterator[list[int]]:
        spun.append(count)
        yield []

    def run(_: str, __: str, case: str, **environment: str) -> dict[str, float]:
        about = json.loads(case)
        asked.append((about, environment["GOMP_SPINCOUNT"]))
        return {"steps_per_s": 4.0 if about["settings"] else 2.0}

    monkeypatch.setattr(busy, "spinning", spinning)
    monkeypatch.setattr(busy, "in_a_fresh_process", run)
    *_, report = beside(2, 4, 32, "cpu", 1.0)
    assert isinstance(report, dict)
    assert report["ratio"] == {"command_line": 2.0, "window": 2.0}
    assert report["steps_per_s"]["window_before"] == 2.0
    assert [len(runs) for runs in report["steps_per_s_runs"].values()] == [3] * 4
    assert spun == [2]
    spins = {about["settings"]: found for about, found in asked}
    assert spins == {True: "1000", False: "300000"}
    assert [about["settings"] for about, _ in asked[:4]] == [True, False] * 2


@pytest.mark.parametrize("settings", [False, True])
@pytest.mark.parametrize("window", [False, True])
def test_a_case_trains(
    window: bool, settings: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput_case, "SLICES", 16)
    case = BusyCase(4, 32, "cpu", 0.2, window=window, settings=settings)
    assert measure(case)["steps_per_s"] > 0
