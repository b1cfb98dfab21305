from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.proposers import guided, proposer_named
from napari_contrastseg.proposers.guided import Guided, near_borders
from napari_contrastseg.proposers.interpolation import Interpolated

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.proposers.proposer import Answer, LabelledVolume

    Labelled = Callable[..., LabelledVolume]

SLICES = [4, 12, 20, 28, 36]


def proposed(source: str, volume: LabelledVolume) -> Answer:
    answer = proposer_named(source).propose(volume)
    assert answer is not None
    return answer


def wavy() -> np.ndarray:
    """A tube whose wide and narrow parts interpolation cannot know of."""
    z, y, x = np.ogrid[:41, :44, :44]
    radius = 11 + 3 * np.sin(z * np.pi / 9)
    inside: np.ndarray = (y - 22) ** 2 + (x - 22) ** 2 <= radius**2
    return inside.astype(int)


def wrong(answer: Answer, labels: np.ndarray) -> int:
    return sum(
        int((answer.probabilities(z).argmax(0) != labels[z]).sum())
        for z in range(SLICES[0], SLICES[-1])
    )


def test_borders_are_drawn_to_edges_of_the_image(labelled: Labelled) -> None:
    volume = labelled(labels := wavy(), SLICES)

    plain, drawn = (proposed(name, volume) for name in ("interpolation", "guided"))

    assert wrong(drawn, labels) < 0.7 * wrong(plain, labels)


def test_grey_values_tell_where_a_structure_is(labelled: Labelled) -> None:
    """Noise hides every edge; what is bright on average is still the structure."""
    labels, rng = wavy(), np.random.default_rng(0)
    noisy = (labels * 0.8 + rng.normal(0, 1, labels.shape)).astype(np.float32)
    volume = replace(labelled(labels, SLICES), image=lambda z: noisy[z][None])

    plain, drawn = (proposed(name, volume) for name in ("interpolation", "guided"))

    assert wrong(drawn, labels) < 0.8 * wrong(plain, labels)


def test_without_an_edge_the_answer_stays_about_the_same(labelled: Labelled) -> None:
    labels = wavy()
    volume = replace(
        labelled(labels, SLICES), image=lambda _z: np.ones((1, 44, 44), np.float32)
    )

    plain, drawn = (proposed(name, volume) for name in ("interpolation", "guided"))

    assert wrong(drawn, labels) < 1.1 * wrong(plain, labels)


def test_what_is_known_is_answered_exactly(
    labelled: Labelled, ball: np.ndarray
) -> None:
    volume = labelled(ball, SLICES)
    volume.truth[16, 24, 20:30] = 0
    answer = proposed("guided", volume)
    assert isinstance(answer, Guided)

    for index in SLICES:
        assert (answer.probabilities(index).argmax(0) == ball[index]).all()
    values = answer.probabilities(16)
    assert (values[0, 24, 20:30] == 1).all()
    np.testing.assert_allclose(values.sum(0), 1, atol=1e-5)


@pytest.mark.parametrize("index", [1, 39])
def test_beyond_the_labelled_slices_the_image_is_not_asked(
    labelled: Labelled, ball: np.ndarray, index: int
) -> None:
    volume = labelled(ball, SLICES)
    plain, drawn = (proposed(name, volume) for name in ("interpolation", "guided"))

    np.testing.assert_array_equal(
        plain.probabilities(index), drawn.probabilities(index)
    )


def test_an_image_that_misleads_on_left_out_slices_is_not_used(
    labelled: Labelled,
) -> None:
    """Edges everywhere but at the borders: seven slices show that it does not help."""
    z, y, x = np.ogrid[:41, :44, :44]
    labels = (((y - 22) ** 2 + (x - 22) ** 2 <= 12**2) & (z >= 0)).astype(int)
    stripes = np.broadcast_to((np.arange(44) // 4 % 2).astype(np.float32), (1, 44, 44))
    volume = replace(
        labelled(labels, [0, 7, 14, 20, 27, 34, 40]), image=lambda _z: stripes
    )

    assert type(proposed("guided", volume)) is Interpolated


def test_the_image_is_read_between_labelled_slices_alone(
    labelled: Labelled, ball: np.ndarray
) -> None:
    read: set[int] = set()
    volume = labelled(ball, SLICES[:4])

    def image(index: int) -> np.ndarray:
        read.add(index)
        return volume.image(index)

    proposed("guided", replace(volume, image=image)).probabilities(15)

    assert read == {*range(SLICES[0], SLICES[3] + 1)}


def test_only_pixels_near_a_border_are_learned_from() -> None:
    labels = np.zeros((40, 60), int)
    labels[:, 20:] = 1
    labels[:, 50:] = 2

    near = near_borders(labels)[20]

    assert np.flatnonzero(near).tolist() == [*range(12, 28), *range(42, 58)]
    assert not near_borders(np.zeros((5, 5), int)).any()


def test_a_gap_too_large_for_a_walk_is_looked_at_slice_by_slice(
    labelled: Labelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, rng = wavy(), np.random.default_rng(0)
    noisy = (labels * 0.8 + rng.normal(0, 1, labels.shape)).astype(np.float32)
    volume = replace(labelled(labels, SLICES), image=lambda z: noisy[z][None])
    monkeypatch.setattr(guided, "_MOST_VOXELS", 0)
    monkeypatch.setattr(guided, "_BLOCK", 100)

    plain, drawn = (proposed(name, volume) for name in ("interpolation", "guided"))

    assert wrong(drawn, labels) < 0.9 * wrong(plain, labels)
    np.testing.assert_allclose(drawn.probabilities(9).sum(0), 1, atol=1e-5)
