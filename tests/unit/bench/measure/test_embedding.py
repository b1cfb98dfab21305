"""bench embedding: the KL divergence, and what is reported."""

from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.bench.measure import embedding
from napari_contrastseg.bench.measure.embedding import kl, similarities
from napari_contrastseg.bench.measure.throughput_case import made
from tests.kit.tables import groups


def test_kl_is_that_of_all_pairs() -> None:
    """Against the definition, written out."""
    points, layout = groups(60), np.random.default_rng(0).normal(size=(60, 2))
    similar = similarities(points, 1)
    p = similar.toarray()
    assert p.sum() == pytest.approx(1)
    q = 1 / (1 + ((layout[:, None] - layout[None]) ** 2).sum(axis=2))
    np.fill_diagonal(q, 0)
    q /= q.sum()
    some = p > 0
    wanted = (p[some] * np.log(p[some] / q[some])).sum()
    assert kl(similar, layout) == pytest.approx(wanted)


def test_the_live_map_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that scripts read is there; times are not judged."""
    monkeypatch.setattr(embedding, "WARM_UP", 1)
    monkeypatch.setattr(embedding, "made", lambda _: made(32))
    *_, report = embedding.embedding(120, 8, seconds=0.1)
    assert isinstance(report, dict)
    wanted = "first_frame_s layout_s refit_s sklearn_s kl sklearn_kl drift fps"
    assert set(wanted.split()) | {"training_slowdown"} <= set(report)
    assert report["kl"] <= 1.1 * report["sklearn_kl"]
    assert report["refit_kl"] <= 1.1 * report["anew_kl"]
    assert report["drift"] < report["drift_anew"]
    assert report["training_slowdown"] < 1
