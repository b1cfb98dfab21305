"""bench throughput: shares of a step, and the MONAI peer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_contrastseg.bench.measure import throughput, throughput_case
from napari_contrastseg.bench.measure.throughput_case import ThroughputCase


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> ThroughputCase:
    """A case of few slices."""
    monkeypatch.setattr(throughput_case, "SLICES", 16)
    return ThroughputCase("share", batch=4, size=32, device="cpu", seconds=0.5)


def test_shares_of_a_step_sum_to_one(small: ThroughputCase) -> None:
    found = throughput.measure(small)
    assert set(found["share"]) == {"network", "data", "augmentation", "loss"}
    assert sum(found["share"].values()) == pytest.approx(1)
    assert min(found["share"].values()) >= 0
    assert found["slices_per_s"] > 0


def test_the_monai_peer_trains(small: ThroughputCase) -> None:
    found = throughput.measure(replace(small, which="monai"))
    assert found["slices_per_s"] > 0
