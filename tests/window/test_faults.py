"""Kills and other harm, a few of each; `contrastseg bench faults` does many."""

from __future__ import annotations

from typing import Any

import pytest

from napari_contrastseg.bench.faults import faults
from napari_contrastseg.session.storage import autosave


@pytest.mark.parametrize("mapped", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_nothing_is_lost_by_kills(
    monkeypatch: pytest.MonkeyPatch, mapped: bool
) -> None:
    monkeypatch.setattr(faults, "LATEST", 3.0)
    monkeypatch.setattr(faults, "LAST_RECORDS", 1)
    monkeypatch.setattr(faults, "REST", 0.3)
    monkeypatch.setattr(faults, "OOM_RUNS", 2)
    monkeypatch.setattr(autosave, "RETRY_SECONDS", 0.2)
    report: Any
    *_, report = faults.faults(kills=2, seed=1, mapped=mapped)
    assert report["kills"] == 2
    assert report["strokes"] > 30
    assert report["lost"] == report["unopened"] == report["rounds_lost"] == 0, report
    assert report["runs_resumed_differently"] == report["half_masks"] == 0, report
    assert report["truncations"]["cuts"] > 100
    assert report["truncations"]["unopened"] == report["truncations"]["strange"] == 0
    for harm in ("disk_full", "no_permission"):
        assert report[harm].get("lost", 0) == report[harm].get("unopened", 0) == 0
    oom = report["oom"]
    assert oom["finished"] == oom["runs"]
    assert oom["raised"] > 10
    assert not oom["lost"]
