"""Truth, pseudo-labels and the weights that they earn."""

from __future__ import annotations

import numpy as np

from napari_contrastseg.session.targets import (
    PseudoLabels,
    Status,
    earned_weight,
    pseudo_labels,
    targets,
    truth,
)


def test_truth_is_what_was_painted_and_what_is_done() -> None:
    ink = np.zeros((3, 2, 2), np.uint8)
    ink[0, 0, 0], ink[1, 0, 0], ink[1, 0, 1] = 1, 2, 255
    status = np.array([Status.SPARSE, Status.DONE, Status.UNTOUCHED], np.uint8)
    known = truth(ink, status, axis=0)
    assert known[0].tolist() == [[1, -1], [-1, -1]]
    assert known[1].tolist() == [[2, 0], [0, 0]]
    assert (known[2] == -1).all()


def test_targets_weigh_truth_over_pseudo_labels_over_nothing() -> None:
    known = np.array([[[1, -1, -1, -1]]], np.int16)
    pseudo = PseudoLabels(
        np.array([[[2, 2, 2, -1]]], np.int16), np.full((1, 1, 4), 0.5, np.float32)
    )
    rejected = np.array([[[False, False, True, False]]])
    target, weight = targets(known, pseudo, rejected)
    assert target.tolist() == [[[1, 2, -1, -1]]]
    assert weight.tolist() == [[[1.0, 0.5, 0.0, 0.0]]]


def test_pseudo_labels_need_their_classes_confidence() -> None:
    labels = pseudo_labels(
        np.array([0, 1, 1, 2], np.uint8),
        np.array([0.95, 0.85, 0.8, 0.99], np.float16),
        {0: 0.9, 1: 0.85, 2: 1.0},
    )
    assert labels.tolist() == [0, 1, -1, -1]


def test_pseudo_labels_earn_their_weight() -> None:
    assert earned_weight(40, None, 0) == 0, "confidence alone is no proof"
    assert earned_weight(40, 1.0, 2) == 0
    assert earned_weight(40, 0.85, 9) == 0
    assert earned_weight(6, 1.0, 6) == 0
    assert 0 < earned_weight(20, 0.95, 6) < earned_weight(40, 0.95, 6)
    assert earned_weight(40, 0.95, 6) < earned_weight(40, 1.0, 6) < 1
