"""The review queue by expected error: spread along volumes, bent by doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.insight.slice_scores import score_slices
from napari_contrastseg.query.expected_error import query
from tests.kit.pools import pool_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLICES = 24


def predicted() -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """Slices with a square each; some are unsure."""
    labels = np.zeros((SLICES, 10, 10), np.uint8)
    labels[:, 2:8, 2:8] = 1
    confidence = np.full(labels.shape, 0.99, np.float16)
    for index, sure in ((11, 0.55), (12, 0.6), (3, 0.7), (0, 0.55)):
        confidence[index, 2:8, 2:8] = sure
    return labels, confidence


def test_within_a_volume_comes_what_takes_most_doubt_away() -> None:
    scores, every = score_slices(*predicted(), 0), np.arange(SLICES)
    ranked = query(pool_of({"a": scores}))
    order = [s.index for s in ranked]
    assert order[:2] == [11, 0]
    assert order.index(3) < order.index(12), "12 is next to 11"
    assert ranked[0].class_id == 1
    assert ranked[0].score > 0.45 * 36, "its own doubt, and some of its neighbours'"
    assert sorted(order) == every.tolist()
    turned = [np.moveaxis(a, 0, 2) for a in predicted()]
    across = query(pool_of({"a": score_slices(turned[0], turned[1], 2)}))
    assert across == ranked
    assert not query(pool_of({"a": scores}, {"a": every[:0]}))


def test_in_several_volumes_the_queue_is_spread_and_bent_by_doubt() -> None:
    """Volumes take turns: a fresh one is the widest gap."""
    scores = score_slices(*predicted(), 0)
    both = query(pool_of({"a": scores, "b": scores}))
    assert [(s.volume_id, s.index) for s in both][:4] == [
        ("a", 11),
        ("b", 11),
        ("a", 3),
        ("b", 3),
    ], "12 is next to 11, 0 at the end"
    assert both[0].score == pytest.approx(0.45 * 36 * (23 / 24) ** 2, rel=0.02)
    # what is done already tells about its neighbours
    every = np.arange(SLICES)
    left = {"a": np.setdiff1d(every, [4, 10]), "b": every[:0]}
    assert query(pool_of({"a": scores, "b": scores}, left))[0].index == 12


@pytest.mark.parametrize(("sure", "reason"), [(0.6, "unsure"), (0.99, "sure")])
def test_where_all_slices_are_as_doubtful_the_queue_is_even(
    sure: float, reason: str
) -> None:
    labels = np.zeros((27, 4, 4), np.uint8)
    flat = score_slices(labels, np.full(labels.shape, sure, np.float16), 0)
    ranked = query(pool_of({"a": flat, "b": flat}))
    order = [(s.volume_id, s.index) for s in ranked]
    assert order[:2] == [("a", 13), ("b", 13)]
    assert sorted(order[2:6]) == [(name, i) for name in "ab" for i in (4, 22)]
    assert {s.reason for s in ranked} == {reason}


def test_pictures_of_a_stack_come_by_doubt_alone() -> None:
    scores, every = score_slices(*predicted(), 0), np.arange(SLICES)
    ranked = query(pool_of({"a": scores}, related=False))
    assert [s.index for s in ranked][:4] == [0, 11, 12, 3]
    assert sorted(s.index for s in ranked) == every.tolist()


def test_a_suggestion_says_the_dice_to_expect() -> None:
    scores = score_slices(*predicted(), 0)
    first = query(pool_of({"a": scores}))[0]
    assert first.dice == pytest.approx(scores.dice()[first.index])
