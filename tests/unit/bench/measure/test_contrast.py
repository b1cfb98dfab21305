"""bench contrast: all engines measure the same loss."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from napari_contrastseg.bench.measure import contrast

needs_peer = pytest.mark.skipif(
    importlib.util.find_spec("pytorch_metric_learning") is None,
    reason="pytorch-metric-learning is not installed",
)


def measured(engine: str) -> dict[str, float]:
    return contrast.measure(contrast.ContrastCase(engine, 300, 8, 3, "cpu"))


def test_engines_measure_the_same_loss() -> None:
    dense, tiles = measured("dense"), measured("streaming")
    for key in ("value", "grad_norm"):
        assert tiles[key] == pytest.approx(dense[key], rel=1e-5)
    assert dense["n"] == 300


@needs_peer
def test_the_peer_measures_the_same_loss() -> None:
    peer, tiles = measured("supcon"), measured("streaming")
    assert tiles["value"] == pytest.approx(peer["value"], abs=1e-5)
    assert tiles["grad_norm"] == pytest.approx(peer["grad_norm"], abs=1e-5)


@needs_peer
def test_bench_contrast_reports_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    def here(_module: str, _what: str, case: str, path: str) -> dict[str, Any]:
        return contrast.measure(contrast.ContrastCase(**json.loads(case)), Path(path))

    monkeypatch.setattr(contrast, "in_a_fresh_process", here)
    *_, report = contrast.contrast(300, 8, 4, "cpu")
    assert isinstance(report, dict)
    assert (report["n"], report["dim"], report["device"]) == (300, 8, "cpu")
    for engine in ("streaming", "dense", "supcon"):
        keys = {"seconds", "extra_mb", "value", "grad_norm"}
        assert keys <= set(report[engine])
        assert report[engine]["gradient_off_supcon"] < 1e-4
        assert report[engine]["value_off_supcon"] < 1e-5
    assert report["peak_fraction"] is None
