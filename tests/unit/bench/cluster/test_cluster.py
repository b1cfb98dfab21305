"""bench cluster on few cases."""

from __future__ import annotations

import pytest

from napari_contrastseg.bench.cluster.cluster import cluster

pytest.importorskip("distributed")


@pytest.mark.slow
def test_killing_workers_and_schedulers_changes_no_result() -> None:
    *_, report = cluster(2, cases=6, steps=20)
    assert isinstance(report, dict)
    assert report["equal"]
    assert report["killed_training_equal"]
    assert report["killed_prediction_equal"]
    assert report["killed_scheduler_equal"]
    assert "the connection to the scheduler is lost; the last" in report["said"]
    assert set(report["seconds"]) == {"1", "2"}
