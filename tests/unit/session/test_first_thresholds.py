"""Thresholds begin where something of each class is sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_contrastseg.session.first_thresholds import SURE_SHARE, first_thresholds
from napari_contrastseg.session.targets import pseudo_labels
from tests.kit.sessions import NAME, add_round

if TYPE_CHECKING:
    from napari_contrastseg.session.session import Session


@given(
    prediction=arrays(np.uint8, (3, 4, 5), elements=st.integers(0, 2)),
    confidence=arrays(np.float16, (3, 4, 5), elements=st.floats(0.015625, 1, width=16)),
)
def test_part_of_each_class_is_sure_and_no_lower_threshold_is_needed(
    prediction: np.ndarray, confidence: np.ndarray
) -> None:
    found = first_thresholds([(prediction, confidence)])
    begun = {i: found.get(i, 0.9) for i in range(3)}
    sure = pseudo_labels(prediction, confidence, begun) >= 0
    for class_id, value in begun.items():
        here = prediction == class_id
        if not here.any():
            assert value == 0.9
            continue
        share = sure[here].mean()
        assert value <= 0.9
        if value < 0.9:
            assert share >= SURE_SHARE
            higher = pseudo_labels(prediction, confidence, {class_id: value + 0.0101})
            assert (higher[here] >= 0).mean() < SURE_SHARE


def test_voxels_without_an_answer_do_not_count() -> None:
    prediction = np.zeros((1, 2, 4), np.uint8)
    confidence = np.zeros((1, 2, 4), np.float16)
    confidence[0, 0] = 0.95
    assert first_thresholds([(prediction, confidence)]) == {}


def test_an_unsure_round_begins_lower_and_what_a_person_chose_stays(
    session: Session,
) -> None:
    labels = np.zeros(session.records[NAME].volume.shape, np.uint8)
    labels[:, :10], labels[:, 20:30] = 1, 2
    session.set_threshold(2, 0.8)
    add_round(session, labels, confidence=0.5)
    assert session.threshold(1) == 0.5
    assert session.threshold(2) == 0.8
    assert (session.records[NAME].pseudo == 1).any(), "the first view is not empty"
    add_round(session, labels, confidence=0.95)
    assert session.threshold(1) == 0.9
