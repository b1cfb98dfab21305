"""Weights of terms that rise."""

from __future__ import annotations

import math

import pytest

from napari_contrastseg.learning.terms.supervised import Supervised
from napari_contrastseg.learning.terms.term import Term, ramp_up


def test_ramps_rise_to_one() -> None:
    assert ramp_up(0.0, 0.4) == pytest.approx(math.exp(-5))
    assert ramp_up(0.2, 0.4) == pytest.approx(math.exp(-1.25))
    assert ramp_up(0.4, 0.4) == ramp_up(1.0, 0.4) == ramp_up(0.0, 0.0) == 1.0
    heights = [ramp_up(k / 20, 0.7) for k in range(21)]
    assert heights == sorted(heights)
    term = Term("t", Supervised, weight=0.5, ramp=0.4)
    assert term.weight_at(0.4) == 0.5
