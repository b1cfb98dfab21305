from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import skimage
from scipy.ndimage import gaussian_filter, shift

from napari_contrastseg.proposers import guided, motion, proposer_named
from napari_contrastseg.proposers.motion import Motion
from napari_contrastseg.proposers.proposer import LabelledVolume

if TYPE_CHECKING:
    from napari_contrastseg.proposers.proposer import Answer

SIDE = 64
ALL = slice(0, SIDE)


def moving(steps: list[tuple[float, float]], side: int = SIDE) -> np.ndarray:
    """A texture that is moved as a whole, by so many pixels on each slice."""
    rng = np.random.default_rng(0)
    still = gaussian_filter(rng.normal(size=(side, side)), side / 20)
    still /= still.std()
    return np.stack([shift(still, step, mode="nearest") for step in steps])


def seen(image: np.ndarray) -> LabelledVolume:
    truth = np.full(image.shape, -1, np.int16)
    return LabelledVolume(truth, (1,), lambda z: image[z][None].astype(np.float32))


def inner_places() -> np.ndarray:
    return np.mgrid[24:40:4, 24:40:4].astype(np.float32)


@pytest.mark.parametrize(("start", "end"), [(0, 3), (3, 0), (1, 2)])
def test_places_are_followed_to_where_the_image_has_moved(start: int, end: int) -> None:
    steps = [(0.0, 0.0), (1.0, 0.5), (2.5, 0.0), (2.0, -2.0)]
    there = Motion(seen(moving(steps)), ALL, ALL).carried(inner_places(), start, end)

    went = (there - inner_places()).reshape(2, -1).mean(axis=1)

    assert went == pytest.approx(np.subtract(steps[end], steps[start]), abs=0.4)


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_missing_values_do_not_move(missing: float) -> None:
    """Rows and a block that one slice has no numbers for go where the rest goes."""
    steps = [(0.0, 0.0), (1.0, 0.5), (2.0, 1.0)]
    image = 0.6 + 0.15 * moving(steps)
    whole = Motion(seen(image), ALL, ALL)
    image = image.copy()
    image[1, 20:24], image[1, 40:56, 8:24] = missing, missing
    broken = Motion(seen(image), ALL, ALL)
    places = np.mgrid[8:56:2, 8:56:2].astype(np.float32)

    for start, end in ((0, 2), (0, 1), (1, 0)):
        apart = broken.carried(places, start, end) - whole.carried(places, start, end)
        assert np.abs(apart).mean() < 0.4


def test_a_slice_without_numbers_moves_nothing() -> None:
    image = moving([(0.0, 0.0), (1.0, 0.5), (2.0, 1.0)])
    image[1] = np.nan
    image[1, 30:33, 30:33] = 0.5  # less than what the missing ones draw aside
    there = Motion(seen(image), ALL, ALL).carried(inner_places(), 0, 2)
    assert np.array_equal(there, inner_places())


def test_large_slices_are_looked_at_coarsely_and_rightly() -> None:
    steps = [(0.0, 0.0), (4.0, -3.0), (8.0, -6.0)]
    image = moving(steps, side=240)
    looked_at = Motion(seen(image), slice(0, 240), slice(0, 240))
    places = np.mgrid[100:140:10, 100:140:10].astype(np.float32)

    went = (looked_at.carried(places, 0, 2) - places).reshape(2, -1).mean(axis=1)

    assert went == pytest.approx(steps[2], abs=1)


def test_the_part_looked_at_does_not_shift_places() -> None:
    steps = [(0.0, 0.0), (1.5, -1.0)]
    part = Motion(seen(moving(steps)), slice(17, 50), slice(18, 47))

    went = (part.carried(inner_places(), 0, 1) - inner_places()).reshape(2, -1).mean(1)

    assert went == pytest.approx(steps[1], abs=0.4)


def test_in_an_empty_image_nothing_moves() -> None:
    image = np.zeros((4, SIDE, SIDE), np.float32)
    image[1] = np.nan

    carried = Motion(seen(image), ALL, ALL).carried(inner_places(), 0, 3)

    assert np.array_equal(carried, inner_places())


def test_flows_are_kept_with_the_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = seen(moving([(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)]))
    first = Motion(volume, slice(10, 50), slice(10, 50)).carried(inner_places(), 0, 2)
    monkeypatch.setattr(skimage.registration, "optical_flow_tvl1", None)

    again = Motion(volume, slice(12, 49), slice(9, 50)).carried(inner_places(), 0, 2)

    assert np.array_equal(first, again)


def test_what_was_looked_at_ahead_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    image, labels = winding()
    truth = np.full(labels.shape, -1, np.int16)
    truth[[5, 14]] = labels[[5, 14]]
    volume = LabelledVolume(truth, (1,), lambda z: image[z][None].astype(np.float32))

    steps = sum(1 for _ in guided.look_ahead(volume))
    monkeypatch.setattr(skimage.registration, "optical_flow_tvl1", None)

    assert steps == 2 * 9
    assert proposer_named("guided").propose(volume) is not None


def test_no_more_is_kept_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(motion, "_KEPT_FLOWS", 2)
    monkeypatch.setattr(motion, "_KEPT_WAYS", 2)
    steps = [(float(k), 0.0) for k in range(5)]
    volume = seen(moving(steps))

    carried = Motion(volume, ALL, ALL).carried(inner_places(), 0, 4)

    assert len(volume.flows) == 2
    assert (carried - inner_places())[0].mean() == pytest.approx(4, abs=0.6)


def test_ways_that_were_dropped_are_found_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The oldest way is dropped for one that goes on from it."""
    monkeypatch.setattr(motion, "_KEPT_WAYS", 3)
    followed = Motion(seen(moving([(float(k), 0.0) for k in range(5)])), ALL, ALL)
    for start, end in ((1, 0), (4, 3), (3, 4)):
        followed.carried(inner_places(), start, end)

    carried = followed.carried(inner_places(), 2, 0)

    assert (carried - inner_places())[0].mean() == pytest.approx(-2, abs=0.4)


def winding() -> tuple[np.ndarray, np.ndarray]:
    """A tube that winds between labelled slices, in tissue that winds with it."""
    count = 25
    steps = [(0.0, 7 * np.sin(z * np.pi / 6)) for z in range(count)]
    image = moving(steps)
    y, x = np.ogrid[:SIDE, :SIDE]
    labels = np.stack(
        [((y - 32) ** 2 + (x - 32 - s[1]) ** 2 <= 9**2).astype(int) for s in steps]
    )
    return image, labels


def test_outlines_follow_what_the_image_shows() -> None:
    image, labels = winding()
    known = [0, 5, 10, 14, 19, 24]
    truth = np.full(labels.shape, -1, np.int16)
    truth[known] = labels[known]
    volume = LabelledVolume(truth, (1,), lambda z: image[z][None].astype(np.float32))

    wrong = {}
    for source in ("interpolation", "guided"):
        answer = proposer_named(source).propose(volume)
        assert answer is not None
        wrong[source] = sum(missed(answer, labels, z) for z in range(25))

    assert wrong["guided"] < 0.5 * wrong["interpolation"]


def test_an_image_that_moves_alone_does_not_mislead() -> None:
    """The tissue around winds, and the structure does not."""
    image, _ = winding()
    y, x = np.ogrid[:SIDE, :SIDE]
    disc = ((y - 32) ** 2 + (x - 32) ** 2 <= 9**2).astype(int)
    labels = np.broadcast_to(disc, image.shape)
    known = [0, 3, 9, 15, 21, 24]
    truth = np.full(labels.shape, -1, np.int16)
    truth[known] = labels[known]
    volume = LabelledVolume(truth, (1,), lambda z: image[z][None].astype(np.float32))

    answer = proposer_named("guided").propose(volume)

    assert answer is not None
    total = sum(missed(answer, labels, z) for z in range(25))
    assert total < 0.05 * labels.sum()


def missed(answer: Answer, labels: np.ndarray, index: int) -> int:
    found = answer.probabilities(index).argmax(0)
    return int((found != labels[index]).sum())
