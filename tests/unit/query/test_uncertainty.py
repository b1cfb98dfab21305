"""Uncertain slices come first."""

from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.insight.slice_scores import score_slices
from napari_contrastseg.query import uncertainty
from tests.kit.pools import pool_of


def test_uncertainty_is_the_mean_of_what_confidence_lacks() -> None:
    rng = np.random.default_rng(0)
    labels, sure = rng.integers(0, 3, (8, 9, 5)), rng.integers(0, 101, (8, 9, 5)) / 100
    found = uncertainty.query(pool_of({"a": score_slices(labels, sure, 0)}))
    lack = (1 - sure).mean(axis=(1, 2))
    assert [s.index for s in found] == np.argsort(-lack).tolist()
    assert [s.score for s in found] == pytest.approx(np.sort(lack)[::-1], abs=1e-6)
    class_id = max((1, 2), key=lambda c: (1 - sure[0])[labels[0] == c].sum())
    assert next(s for s in found if s.index == 0).class_id == class_id
